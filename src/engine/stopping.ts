/**
 * In which order the parts of an engine stop: what writes before what it writes to, and the directory's lock last.
 *
 * The orderly way may use the log until everything that has something to record has done so. The hard way writes nothing more;
 * whether a call that waits was done is not known then. When either happens is lifecycle.ts's.
 */

import { refuse, type HourwheelError } from '../model/errors.ts'
import type { Core } from './core.ts'
import type { Stoppable } from './lifecycle.ts'

/** `releaseAll` gives back what the engine was opened on: platform and lock. */
export function stoppableOf(core: Core, releaseAll: () => Promise<void>): Stoppable {
  const { admission, bodies, checkpointer, dispatcher, exclusive, holds, keys, leaseDesk, log } = core
  const { merger, promoter, segments, ticker, waiters } = core
  return {
    drain: (drainMs) => {
      leaseDesk.close()
      return dispatcher.drain(drainMs)
    },
    async close() {
      await checkpointer.catchUp()
      holds.end()
      ticker.stop()
      promoter.stop()
      await Promise.all([checkpointer.stop(), merger.stop()])
      await exclusive.run(() => Promise.resolve())
      admission.rejectAll(refuse('HW_CLOSED', 'the engine was closed before there was room; nothing was scheduled'))
      await keys.table.close()
      await log.close()
      dispatcher.rejectUnrecorded(refuse('HW_CLOSED', 'the engine was closed before this could be recorded'))
      await bodies.close()
      await segments.close()
      await releaseAll()
    },
    async abandon(error) {
      const unknown = outcomeUnknown(error)
      holds.end()
      log.abandon(error)
      waiters.rejectAll(unknown)
      admission.rejectAll(error)
      ticker.stop()
      promoter.stop()
      leaseDesk.close()
      dispatcher.abandon()
      dispatcher.rejectUnrecorded(unknown)
      const background = [keys.table.abandon(), checkpointer.stop(), merger.stop()]
      await Promise.allSettled([...background, bodies.close(), segments.close(), log.close()])
      await releaseAll()
    },
  }
}

function outcomeUnknown(cause: HourwheelError): HourwheelError {
  const message = `the engine stopped (${cause.code}: ${cause.message}); whether this was done is not known`
  return refuse('HW_OUTCOME_UNKNOWN', message, { outcome: 'unknown', cause })
}
