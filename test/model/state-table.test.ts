import fc from 'fast-check'
import { expect, test } from 'vitest'
import { answers, endedStates, states, transitionOf, transitions } from '../../src/model/state-table.ts'
import type { Operation, TaskState } from '../../src/model/state-table.ts'
import { addCounters, conservationHolds, conservationOf, counterNames, countersByName } from '../../src/model/stats.ts'

function apply(counters: Float64Array, moves: Readonly<Record<string, number>>): void {
  for (const [name, by] of Object.entries(moves)) counters[counterNames.indexOf(name as TaskState)]! += by
}

test('counters are accepted and the states, each once', () => {
  expect(counterNames[0]).toBe('accepted')
  expect(counterNames.slice(1).toSorted()).toEqual(states.toSorted())
  expect(['pending', 'leased', 'dead', ...endedStates].toSorted()).toEqual(states.toSorted())
})

test('a record in a state means one thing', () => {
  const seen = transitions.map(({ record, from }) => `${record} from ${from}`)
  expect(new Set(seen).size).toBe(seen.length)
  expect(transitionOf('lease', 'pending')!.to).toBe('leased')
  expect(transitionOf('lease', 'leased')).toBeUndefined()
})

test('every state is reached, and what has ended stays so', () => {
  const reached = new Set(transitions.map(({ to }) => to))
  expect([...reached].toSorted()).toEqual(states.toSorted())
  for (const { from } of transitions) expect(endedStates).not.toContain(from)
})

test('every transition conserves, and moves one task from its state to the next', () => {
  for (const { record, from, to, moves } of transitions) {
    const counters = new Float64Array(counterNames.length)
    apply(counters, moves)
    expect(conservationOf(counters), record).toBe(0)
    const expected: Record<string, number> = {}
    if (from === 'none') expected['accepted'] = 1
    else expected[from] = -1
    expected[to] = (expected[to] ?? 0) + 1
    if (record === 'put replace') Object.assign(expected, { accepted: 1, replaced: 1 })
    expect(moves).toEqual(Object.fromEntries(Object.entries(expected).filter(([, by]) => by !== 0)))
  }
})

test('conservation holds along any life of any number of tasks', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat()), { maxLength: 60 }), (steps) => {
      const counters = new Float64Array(counterNames.length)
      const tasks: (TaskState | 'none')[] = ['none', 'none', 'none', 'none', 'none']
      for (const [task, pick] of steps) {
        const possible = transitions.filter(({ from }) => from === tasks[task])
        if (possible.length === 0) continue
        const { to, moves } = possible[pick % possible.length]!
        apply(counters, moves)
        tasks[task] = to
        expect(conservationHolds(counters)).toBe(true)
        expect(counters[1]).toBe(tasks.filter((state) => state === 'pending').length)
      }
    }),
  )
})

test('the answers are those of the design', () => {
  const table: [Operation, string, string, string, string][] = [
    //                     pending       leased      dead        ended
    ['cancel', 'cancelled', 'leased', 'ended', 'ended'],
    ['reschedule', 'rescheduled', 'leased', 'ended', 'ended'],
    ['rescheduleIfChanged', 'changed', 'leased', 'ended', 'ended'],
    ['ack', 'stale', 'acked', 'ended', 'ended'],
    ['nack', 'stale', 'nacked', 'ended', 'ended'],
    ['extend', 'stale', 'extended', 'ended', 'ended'],
    ['staleToken', 'stale', 'stale', 'ended', 'ended'],
    ['redrive', 'pending', 'leased', 'redriven', 'ended'],
    ['purge', 'pending', 'leased', 'purged', 'ended'],
  ]
  expect(table.map(([operation]) => operation).toSorted()).toEqual(Object.keys(answers).toSorted())
  for (const [operation, pending, leased, dead, ended] of table) {
    const row = answers[operation]
    expect([row.pending.outcome, row.leased.outcome, row.dead.outcome]).toEqual([pending, leased, dead])
    for (const state of endedStates) expect(row[state].outcome).toBe(ended)
    expect(row.missing.outcome).toBe('missing')
  }
})

test('an answer is given after a record that is possible in that state, and repeating a call does nothing twice', () => {
  for (const [operation, row] of Object.entries(answers)) {
    for (const state of states) {
      for (const record of row[state].records) {
        const transition = transitionOf(record, state)
        expect(transition, `${operation}: ${record} in ${state}`).toBeDefined()
        if (transition!.to !== state) expect(row[transition!.to].records).not.toContain(record)
      }
    }
    expect(row.missing.records).toEqual([])
  }
})

test('the sum is checked, and so is that counters are counts', () => {
  const good = Float64Array.of(10, 1, 1, 1, 1, 1, 1, 1, 1, 2)
  expect(conservationHolds(good)).toBe(true)
  expect(conservationHolds(Float64Array.of(10, 1, 1, 1, 1, 1, 1, 1, 1, 1))).toBe(false)
  expect(conservationOf(Float64Array.of(10, 1, 1, 1, 1, 1, 1, 1, 1, 1))).toBe(1)
  expect(conservationHolds(Float64Array.of(0, 1, -1, 0, 0, 0, 0, 0, 0, 0))).toBe(false)
  expect(conservationHolds([0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0])).toBe(false)
  expect(conservationHolds([0])).toBe(false)
  const total = new Float64Array(10)
  addCounters(total, good)
  addCounters(total, good)
  expect(countersByName(total)).toMatchObject({ accepted: 20, pending: 2, damaged: 4 })
  expect(Object.keys(countersByName(total))).toEqual([...counterNames])
})
