/** The head record of a log file: counters, names of queues and the calendar, as the ledger has them now. */

import type { Ledger } from '../model/ledger.ts'
import type { encodeHead } from '../model/record-writers.ts'

export function headOf(ledger: Ledger, openCount: number, wallMs: number): Parameters<typeof encodeHead>[0] {
  return {
    openCount,
    wallMs,
    oldestHour: ledger.oldestHour,
    queues: ledger.queues.map(({ number, name, paused, counters }) => ({ queue: number, name, paused, counters })),
    hours: [...ledger.hours.values()].filter(({ nextOrdinal, live }) => nextOrdinal > 0 || live > 0),
  }
}
