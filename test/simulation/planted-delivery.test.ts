/**
 * Bugs planted in the engine's own delivery and keys, one at a time: the checker must find each within a few seeds, and for the
 * right reason. Where no bug is planted, these parts are as they are everywhere else.
 */

import { afterEach, expect, test, vi } from 'vitest'
import type { Attempt } from '../../src/delivery/attempt.ts'
import { simulate } from '../../src/testing/simulator/simulation.ts'
import type { SimulationOptions } from '../../src/testing/simulator/simulation-result.ts'

type Bug =
  | 'none'
  | 'the view is ahead of the log'
  | 'the log keeps nothing for the view, and nobody looks'
  | 'ended tasks are forgotten'
  | 'a lost view stays empty'
  | 'leased tasks have no key'
  | 'leases before their sync'
  | 'acks without a record'
  | 'a successor in a frame of its own'
  | 'deaths cost all'
  | 'a call that is made again is taken for done'
  | 'a reschedule that is made again is done again'
  | 'a cancel spares what has replaced the task meanwhile'

const planted = vi.hoisted(() => ({ bug: 'none', isDying: false, asked: new Set<number>() }))

vi.mock(import('../../src/storage/keys/key-table.ts'), async (original) => {
  const real = await original()
  class KeyTable extends real.KeyTable {
    override attach(log: Parameters<InstanceType<typeof real.KeyTable>['attach']>[0]): void {
      if (planted.bug !== 'the view is ahead of the log') {
        super.attach(log)
        return
      }
      super.attach({
        get appendedLsn(): number {
          return log.appendedLsn
        },
        whenSynced: () => Promise.resolve(),
      })
    }

    override flushThrough(lsn: number): Promise<void> {
      if (planted.bug === 'the log keeps nothing for the view, and nobody looks') return Promise.resolve()
      return super.flushThrough(lsn)
    }
  }
  return { ...real, KeyTable }
})

vi.mock(import('../../src/engine/rebuild-keys.ts'), async (original) => {
  const real = await original()
  return {
    ...real,
    rebuildKeys: async (core: Parameters<typeof real.rebuildKeys>[0]) => {
      if (planted.bug === 'the log keeps nothing for the view, and nobody looks') return 0
      if (planted.bug !== 'a lost view stays empty') return real.rebuildKeys(core)
      await core.keys.table.renew()
      return 0
    },
  }
})

vi.mock(import('../../src/engine/key-holders.ts'), async (original) => {
  const real = await original()
  class KeyHolders extends real.KeyHolders {
    override find(queue: number, key: string): ReturnType<InstanceType<typeof real.KeyHolders>['find']> {
      const holder = super.find(queue, key)
      return planted.bug === 'leased tasks have no key' && holder?.state === 'leased' ? undefined : holder
    }

    override isRemembered(...holder: Parameters<InstanceType<typeof real.KeyHolders>['isRemembered']>): boolean {
      return planted.bug === 'ended tasks are forgotten' ? holder[0].end === undefined : super.isRemembered(...holder)
    }
  }
  return { ...real, KeyHolders }
})

vi.mock(import('../../src/delivery/lease-desk.ts'), async (original) => {
  const real = await original()
  class LeaseDesk extends real.LeaseDesk {
    constructor(parts: ConstructorParameters<typeof real.LeaseDesk>[0]) {
      const isEarly = planted.bug === 'leases before their sync'
      super(isEarly ? { ...parts, whenSynced: () => Promise.resolve() } : parts)
    }
  }
  return { ...real, LeaseDesk }
})

vi.mock(import('../../src/engine/commands/key-decision.ts'), async (original) => {
  const real = await original()
  return {
    ...real,
    decide: (...[core, task, tasks, holder]: Parameters<typeof real.decide>) => {
      const known = real.decide(core, task, tasks, holder)
      if (planted.bug !== 'a call that is made again is taken for done' || known.kind !== 'done') return known
      const { receipt } = known
      const isSame = receipt.outcome === 'replaced' && task.onConflict === 'replace' && planted.asked.has(task.fireAt)
      planted.asked.add(task.fireAt)
      return isSame ? ({ kind: 'done', receipt: { ...receipt, outcome: 'kept', state: 'pending' } } as const) : known
    },
  }
})

vi.mock(import('../../src/engine/commands/change.ts'), async (original) => {
  const real = await original()
  const { get } = await import('../../src/engine/commands/get.ts')
  return {
    ...real,
    cancel: async (...[core, ref]: Parameters<typeof real.cancel>): ReturnType<typeof real.cancel> => {
      if (planted.bug !== 'a cancel spares what has replaced the task meanwhile') return real.cancel(core, ref)
      const before = await get(core, ref)
      await new Promise<void>((resolve) => void core.platform.clock.setTimer(30, resolve))
      const after = await get(core, ref)
      const isSame =
        before?.state !== 'pending' ||
        after?.state !== 'pending' ||
        JSON.stringify(before.payload) === JSON.stringify(after.payload)
      return isSame ? real.cancel(core, ref) : { outcome: 'cancelled' as const, generation: 0, lsn: 1 }
    },
    reschedule: async (...[core, ref, input]: Parameters<typeof real.reschedule>) => {
      const answer = await real.reschedule(core, ref, input)
      const { ifGeneration } = input
      if (planted.bug !== 'a reschedule that is made again is done again' || ifGeneration === undefined) return answer
      if (answer.outcome !== 'changed' || answer.generation !== ifGeneration + 1) return answer
      const again = await real.reschedule(core, ref, { at: input.at })
      return again.outcome === 'rescheduled' ? { ...again, generation: answer.generation } : again
    },
  }
})

vi.mock(import('../../src/engine/commands/lease.ts'), async (original) => {
  const real = await original()
  return {
    ...real,
    ack: (...call: Parameters<typeof real.ack>) =>
      planted.bug === 'acks without a record' ? Promise.resolve({ outcome: 'acked' } as const) : real.ack(...call),
  }
})

vi.mock(import('../../src/engine/recorder.ts'), async (original) => {
  const real = await original()
  class Recorder extends real.Recorder {
    override succeedWithNext(...call: Parameters<InstanceType<typeof real.Recorder>['succeedWithNext']>): number {
      if (planted.bug !== 'a successor in a frame of its own') return super.succeedWithNext(...call)
      const [row, next] = call
      const { table, queues } = this.tiers
      const [home, ordinal, queue] = [table.homeHour[row]!, table.ordinal[row]!, table.queue[row]!]
      const lsn = this.finish('succeeded', 'leased', row, home, ordinal, queue, table.placeHour[row]!)
      if (lsn === 0) return 0
      void this.log.whenSynced(lsn).then(
        () => this.fresh(queues[next.queue.number]!, next.fireAt, next.payload, next.extras, 'settle'),
        () => undefined,
      )
      return lsn
    }
  }
  return { ...real, Recorder }
})

vi.mock(import('../../src/delivery/thread-line.ts'), async (original) => {
  const real = await original()
  class ThreadLine extends real.ThreadLine {
    override died(reason: string): void {
      planted.isDying = true
      super.died(reason)
      planted.isDying = false
    }
  }
  return { ...real, ThreadLine }
})

vi.mock(import('../../src/delivery/dispatcher.ts'), async (original) => {
  const real = await original()
  class Dispatcher extends real.Dispatcher {
    override untouched(attempt: Attempt): void {
      if (planted.bug === 'deaths cost all' && planted.isDying) this.failed(attempt, new Error('its thread died'))
      else super.untouched(attempt)
    }
  }
  return { ...real, Dispatcher }
})

afterEach(() => {
  planted.bug = 'none'
  planted.asked.clear()
})

/** The rules that the first broken seeds break, up to the one that is looked for. */
async function rulesBroken(
  bug: Bug,
  seeds: number,
  rule: RegExp,
  options: Partial<SimulationOptions> = {},
): Promise<string[]> {
  planted.bug = bug
  const rules = new Set<string>()
  for (let seed = 1; seed <= seeds && ![...rules].some((broken) => rule.test(broken)); seed++) {
    const { violations } = await simulate({ ...options, seed, soundDisk: true })
    for (const { rule: broken } of violations) rules.add(broken)
  }
  return [...rules]
}

const slowSyncs = { ends: 'powerCut', keyedShare: 0.8, disk: { slowSyncChance: 0.3, slowSyncMsMax: 1_500 } } as const

test('without a bug the same seeds are sound', async () => {
  for (const options of [{}, { keyedShare: 0.8 }, slowSyncs]) {
    expect(await rulesBroken('none', 4, /./, options)).toEqual([])
  }
})

test.each<[Bug, RegExp, Partial<SimulationOptions>]>([
  [
    'the view is ahead of the log',
    /^(one holder|key window|receipts)$/,
    { ends: 'powerCut', keyedShare: 0.8, disk: { slowSyncChance: 0.3, slowSyncMsMax: 1_500 } },
  ],
  ['the log keeps nothing for the view, and nobody looks', /^(one holder|key window|receipts)$/, { keyedShare: 0.8 }],
  ['ended tasks are forgotten', /^key window$/, {}],
  ['a lost view stays empty', /^(one holder|receipts)$/, { keyedShare: 0.8 }],
  ['leased tasks have no key', /^(one holder|receipts)$/, {}],
  ['leases before their sync', /^(D1 lost|D1 acknowledged|attempts|same data)$/, slowSyncs],
  ['acks without a record', /^(D5 ended|D3 events|attempts|one attempt)$/, {}],
  ['a successor in a frame of its own', /^(one successor|D1 lost)$/, {}],
  ['deaths cost all', /^attempts$/, {}],
  ['a call that is made again is taken for done', /^receipts$/, { keyedShare: 0.8 }],
  ['a reschedule that is made again is done again', /^generations$/, {}],
  ['a cancel spares what has replaced the task meanwhile', /^(D5 ended|D1 acknowledged)$/, { keyedShare: 0.8 }],
])('%s: found', async (bug, rule, options) => {
  expect(await rulesBroken(bug, 30, rule, options)).toContainEqual(expect.stringMatching(rule))
})
