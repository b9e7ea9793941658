import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { counter, counterCount, Ledger } from '../../src/model/ledger.ts'
import { conservationHolds, counterNames } from '../../src/model/stats.ts'
import { transitionOf } from '../../src/model/state-table.ts'

/** The plain model: a task is an object, and everything is counted by looking at all of them. */
interface PlainTask {
  homeHour: number
  ordinal: number
  place: number
  state: 'pending' | 'leased' | 'dead' | 'succeeded' | 'cancelled' | 'expired' | 'purged'
}

const queue = 0

type Step = { pick: number; act: number; hour: number }

function run(steps: Step[]): { ledger: Ledger; tasks: PlainTask[] } {
  const ledger = new Ledger(0)
  ledger.applyQueue(queue, 'q', false)
  const tasks: PlainTask[] = []
  let lsn = 0
  for (const { pick, act, hour } of steps) {
    lsn++
    const task = tasks.length === 0 ? undefined : tasks[pick % tasks.length]
    if (act === 0 || task === undefined) {
      const ordinal = ledger.hour(hour).nextOrdinal
      ledger.applyNew(hour, ordinal, queue)
      tasks.push({ homeHour: hour, ordinal, place: hour, state: 'pending' })
      continue
    }
    const { homeHour, ordinal, place, state } = task
    if (state === 'pending') {
      if (act === 1) {
        ledger.applyLease(homeHour, ordinal, queue, lsn, 0)
        task.state = 'leased'
      } else if (act === 2) {
        ledger.applyEnd('cancelled', 'pending', homeHour, ordinal, queue, place)
        task.state = 'cancelled'
      } else if (act === 3) {
        ledger.applyPut('reschedule', 'pending', homeHour, ordinal, queue, hour, place, lsn, true)
        task.place = hour
      } else {
        ledger.applyEnd('expired', 'pending', homeHour, ordinal, queue, place)
        task.state = 'expired'
      }
    } else if (state === 'leased') {
      if (act === 1) {
        ledger.applyEnd('succeeded', 'leased', homeHour, ordinal, queue, place)
        task.state = 'succeeded'
      } else if (act === 2) {
        ledger.applyUnlease(homeHour, ordinal, queue, pick % 3)
        task.state = 'pending'
      } else if (act === 3) {
        ledger.applyPut('retry', 'leased', homeHour, ordinal, queue, hour, place, lsn, false)
        task.state = 'pending'
        task.place = hour
      } else {
        ledger.applyDead('leased', homeHour, ordinal, queue, place, lsn)
        task.state = 'dead'
      }
    } else if (state === 'dead') {
      if (act === 1) {
        ledger.applyPurge(homeHour, ordinal, queue)
        task.state = 'purged'
      } else if (act === 2) {
        ledger.applyPut('redrive', 'dead', homeHour, ordinal, queue, hour, place, lsn, false)
        task.state = 'pending'
        task.place = hour
      }
    }
  }
  return { ledger, tasks }
}

const byId = (a: number | [number, unknown], b: number | [number, unknown]): number =>
  (Array.isArray(a) ? a[0] : a) - (Array.isArray(b) ? b[0] : b)

const stepsArbitrary = fc.array(
  fc.record({ pick: fc.nat(1_000), act: fc.nat(4), hour: fc.integer({ min: 100, max: 105 }) }),
  { maxLength: 200 },
)

describe('the ledger against a plain model', () => {
  it('counters, calendar and states are those of a full count', () => {
    fc.assert(
      fc.property(stepsArbitrary, (steps) => {
        const { ledger, tasks } = run(steps)
        const { counters } = ledger.queues[queue]!
        expect(conservationHolds(counters)).toBe(true)
        for (const name of ['pending', 'leased', 'dead', 'succeeded', 'cancelled', 'expired', 'purged'] as const) {
          expect(counters[counter[name]]).toBe(tasks.filter((task) => task.state === name).length)
        }
        for (let hour = 100; hour <= 105; hour++) {
          const live = tasks.filter((task) => task.place === hour && ['pending', 'leased'].includes(task.state)).length
          expect(ledger.hours.get(hour)?.live ?? 0).toBe(live)
        }
        for (const { homeHour, ordinal, state } of tasks) {
          const expected = ['pending', 'leased', 'dead'].includes(state) ? state : 'ended'
          expect(ledger.stateOf(homeHour, ordinal)).toBe(expected)
        }
        expect(ledger.stateOf(100, 1_000_000)).toBe('missing')
      }),
      { numRuns: 300 },
    )
  })

  it('a copy counts only in its newest place and version', () => {
    const { ledger } = run([{ pick: 0, act: 0, hour: 100 }])
    expect(ledger.copyCounts(100, 0, 100, 1)).toBe(true)
    ledger.applyPut('reschedule', 'pending', 100, 0, queue, 103, 100, 7, true)
    expect(ledger.copyCounts(100, 0, 100, 1)).toBe(false)
    expect(ledger.copyCounts(100, 0, 103, 7)).toBe(true)
    ledger.applyPut('reschedule', 'pending', 100, 0, queue, 100, 103, 9, true)
    expect(ledger.copyCounts(100, 0, 100, 1)).toBe(false)
    expect(ledger.copyCounts(100, 0, 103, 7)).toBe(false)
    expect(ledger.copyCounts(100, 0, 100, 9)).toBe(true)
    ledger.applyEnd('cancelled', 'pending', 100, 0, queue, 100)
    expect(ledger.copyCounts(100, 0, 100, 9)).toBe(false)
  })

  it('a task whose home hour was retired is known by its place until it ends', () => {
    const { ledger } = run([{ pick: 0, act: 0, hour: 100 }])
    ledger.applyPut('reschedule', 'pending', 100, 0, queue, 104, 100, 7, true)
    ledger.applyRetire(103)
    expect(ledger.stateOf(100, 0)).toBe('pending')
    expect(ledger.copyCounts(100, 0, 104, 7)).toBe(true)
    ledger.applyEnd('succeeded', 'pending', 100, 0, queue, 104)
    expect(ledger.stateOf(100, 0)).toBe('ended')
    expect(ledger.howEnded(100, 0)).toBe(undefined)
    expect(ledger.copyCounts(100, 0, 104, 7)).toBe(false)
  })

  it('replaying records over a ledger that is ahead of them converges', () => {
    fc.assert(
      fc.property(stepsArbitrary, (steps) => {
        const once = run(steps).ledger
        const { ledger: twice } = run(steps)
        // What a snapshot holds, with counters and calendar as of the start: then all of it again.
        const again = new Ledger(0)
        for (const [id, hour] of twice.moved) again.moved.set(id, hour)
        for (const [id, mark] of twice.superseded) again.superseded.set(id, mark)
        for (const [id, lease] of twice.leases) again.leases.set(id, { ...lease })
        for (const [id, losses] of twice.losses) again.losses.set(id, losses)
        for (const [id, dead] of twice.dead) again.dead.set(id, dead)
        for (const bytes of twice.ends.encode()) again.ends.decodeInto(bytes)
        replayInto(again, steps)
        expect([...again.moved].sort(byId)).toEqual([...once.moved].sort(byId))
        expect([...again.leases.keys()].sort(byId)).toEqual([...once.leases.keys()].sort(byId))
        expect([...again.losses].sort(byId)).toEqual([...once.losses].sort(byId))
        expect([...again.dead.keys()].sort(byId)).toEqual([...once.dead.keys()].sort(byId))
        expect([...again.queues[queue]!.counters]).toEqual([...once.queues[queue]!.counters])
        for (const { hour, live, nextOrdinal } of once.hours.values()) {
          expect(again.hours.get(hour)).toEqual({ hour, live, nextOrdinal })
          for (let ordinal = 0; ordinal < nextOrdinal; ordinal++) {
            expect(again.stateOf(hour, ordinal)).toBe(once.stateOf(hour, ordinal))
          }
        }
      }),
      { numRuns: 200 },
    )
  })
})

/** The same steps as `run`, told by the records alone: what each does follows from a plain model, not from the ledger. */
function replayInto(ledger: Ledger, steps: Step[]): void {
  ledger.applyQueue(queue, 'q', false)
  const shadow = new Ledger(0)
  shadow.applyQueue(queue, 'q', false)
  const tasks: PlainTask[] = []
  let lsn = 0
  const both = (apply: (target: Ledger) => void): void => {
    apply(shadow)
    apply(ledger)
  }
  for (const { pick, act, hour } of steps) {
    lsn++
    const at = lsn
    const task = tasks.length === 0 ? undefined : tasks[pick % tasks.length]
    if (act === 0 || task === undefined) {
      const ordinal = shadow.hour(hour).nextOrdinal
      both((target) => target.applyNew(hour, ordinal, queue))
      tasks.push({ homeHour: hour, ordinal, place: hour, state: 'pending' })
      continue
    }
    const { homeHour, ordinal, place, state } = task
    if (state === 'pending') {
      if (act === 1) both((target) => target.applyLease(homeHour, ordinal, queue, at, 0))
      else if (act === 2) both((target) => target.applyEnd('cancelled', 'pending', homeHour, ordinal, queue, place))
      else if (act === 3) {
        both((target) => target.applyPut('reschedule', 'pending', homeHour, ordinal, queue, hour, place, at, true))
        task.place = hour
      } else both((target) => target.applyEnd('expired', 'pending', homeHour, ordinal, queue, place))
      task.state = act === 1 ? 'leased' : act === 2 ? 'cancelled' : act === 3 ? 'pending' : 'expired'
    } else if (state === 'leased') {
      if (act === 1) both((target) => target.applyEnd('succeeded', 'leased', homeHour, ordinal, queue, place))
      else if (act === 2) both((target) => target.applyUnlease(homeHour, ordinal, queue, pick % 3))
      else if (act === 3) {
        both((target) => target.applyPut('retry', 'leased', homeHour, ordinal, queue, hour, place, at, false))
        task.place = hour
      } else both((target) => target.applyDead('leased', homeHour, ordinal, queue, place, at))
      task.state = act === 1 ? 'succeeded' : act === 4 ? 'dead' : 'pending'
    } else if (state === 'dead') {
      if (act === 1) {
        both((target) => target.applyPurge(homeHour, ordinal, queue))
        task.state = 'purged'
      } else if (act === 2) {
        both((target) => target.applyPut('redrive', 'dead', homeHour, ordinal, queue, hour, place, at, false))
        task.state = 'pending'
        task.place = hour
      }
    }
  }
}

describe('the ledger and the tables', () => {
  it('has its counters in the order of the head record', () => {
    expect(
      Object.entries(counter)
        .sort((a, b) => a[1] - b[1])
        .map(([name]) => name),
    ).toEqual([...counterNames])
    expect(counterCount).toBe(counterNames.length)
  })

  it('moves counters as the state table says', () => {
    const moves = (apply: (ledger: Ledger) => void, prepare: (ledger: Ledger) => void = () => undefined): object => {
      const ledger = new Ledger(0)
      ledger.applyQueue(queue, 'q', false)
      ledger.applyNew(100, 0, queue)
      prepare(ledger)
      const before = [...ledger.queues[queue]!.counters]
      apply(ledger)
      const after = ledger.queues[queue]!.counters
      const moved: Record<string, number> = {}
      counterNames.forEach((name, index) => {
        if (after[index] !== before[index]) moved[name] = after[index]! - before[index]!
      })
      return moved
    }
    const lease = (ledger: Ledger): void => void ledger.applyLease(100, 0, queue, 1, 0)
    const die = (ledger: Ledger): void => ledger.applyDead('pending', 100, 0, queue, 100, 5)
    expect(moves(lease)).toEqual(transitionOf('lease', 'pending')!.moves)
    expect(moves((ledger) => ledger.applyUnlease(100, 0, queue, 1), lease)).toEqual(
      transitionOf('unlease', 'leased')!.moves,
    )
    expect(moves((ledger) => ledger.applyStop(100, 0), lease)).toEqual(transitionOf('stop', 'leased')!.moves)
    for (const how of ['cancelled', 'expired', 'damaged', 'replaced'] as const) {
      expect(moves((ledger) => ledger.applyEnd(how, 'pending', 100, 0, queue, 100))).toEqual(
        transitionOf(`end ${how}`, 'pending')!.moves,
      )
    }
    for (const how of ['succeeded', 'cancelled', 'expired', 'damaged'] as const) {
      expect(moves((ledger) => ledger.applyEnd(how, 'leased', 100, 0, queue, 100), lease)).toEqual(
        transitionOf(`end ${how}`, 'leased')!.moves,
      )
    }
    expect(moves(die)).toEqual(transitionOf('dead', 'pending')!.moves)
    expect(moves((ledger) => ledger.applyPurge(100, 0, queue), die)).toEqual(transitionOf('purge', 'dead')!.moves)
    expect(moves((ledger) => ledger.applyEnd('damaged', 'dead', 100, 0, queue, 100), die)).toEqual(
      transitionOf('end damaged', 'dead')!.moves,
    )
    const put =
      (cause: 'retry' | 'reschedule' | 'redrive' | 'replace', from: 'pending' | 'leased' | 'dead') =>
      (ledger: Ledger) =>
        ledger.applyPut(cause, from, 100, 0, queue, 101, 100, 9, false)
    expect(moves(put('reschedule', 'pending'))).toEqual(transitionOf('put reschedule', 'pending')!.moves)
    expect(moves(put('replace', 'pending'))).toEqual(transitionOf('put replace', 'pending')!.moves)
    expect(moves(put('retry', 'leased'), lease)).toEqual(transitionOf('put retry', 'leased')!.moves)
    expect(moves(put('redrive', 'dead'), die)).toEqual(transitionOf('put redrive', 'dead')!.moves)
  })
})
