import { expect, test } from 'vitest'
import { encodeId } from '../../src/model/ids.ts'
import { Checker } from './checker.ts'
import type { Asked, Line } from './lines.ts'

const hour = 3_600_000
const now = 500_000 * hour
const ids = [0, 1].map((ordinal) => encodeId(5, 500_000, ordinal))

function asked(tag: number, more: Partial<Asked> = {}): Asked {
  return { tag, queue: 'quick', fireFrom: now, fireTo: now, attemptsMax: 3, delayMs: 20, ...more }
}

const zeros = { leased: 0, expired: 0, replaced: 0, purged: 0, damaged: 0, dead: 0, succeeded: 0, cancelled: 0 }

/** A life up to the end of its scan. */
function scan(listed: readonly Line[], total: Readonly<Record<string, number>>): Line[] {
  return [
    { t: 'born', pid: 1 },
    ...listed,
    { t: 'stats', total: { ...zeros, ...total }, conservation: 0, openCount: 1, paused: [] },
    { t: 'scanned', wallMs: now, hours: listed.length === 0 ? [] : [[now, listed.length]] },
    { t: 'ready' },
  ]
}

const submit: Line = { t: 'submit', n: 1, tasks: [asked(1)] }
const accepted: Line = { t: 'accepted', n: 1, receipts: [[ids[0]!, now]] }
const start: Line = {
  t: 'start',
  id: ids[0]!,
  tag: 1,
  queue: 'quick',
  attempt: 1,
  fence: 1,
  scheduledFor: now,
  wallMs: now,
  upMs: 0,
  same: true,
}
const endOk: Line = { t: 'end', tag: 1, attempt: 1, how: 'ok', wallMs: now }
const succeeded: Line = { t: 'event', name: 'succeeded', id: ids[0]!, attempt: 1, wallMs: now }
const listed: Line = {
  t: 'listed',
  id: ids[0]!,
  tag: 1,
  queue: 'quick',
  state: 'pending',
  fireAt: now,
  attempt: 0,
  generation: 0,
  same: true,
}
const cancel: Line = { t: 'cancel', n: 2, tag: 1, wallMs: now }
const cancelled: Line = { t: 'answer', n: 2, outcome: 'cancelled', generation: 0 }

/** What is found wrong in these lives, each of which ends with a kill. */
function judge(...lives: readonly (readonly Line[])[]): string {
  const checker = new Checker()
  for (const life of lives) {
    checker.born()
    for (const line of life) checker.hear(JSON.stringify(line))
    checker.gone(true)
  }
  return checker.violations.join('\n')
}

const first = scan([], { accepted: 0, pending: 0 })
const onePending = scan([listed], { accepted: 1, pending: 1 })
const none = scan([], { accepted: 0, pending: 0 })
const oneSucceeded = scan([], { accepted: 1, pending: 0, succeeded: 1 })

test('what may be is not found wrong', () => {
  expect(judge([...first, submit, accepted], onePending)).toBe('')
  expect(judge([...first, submit], onePending)).toBe('')
  expect(judge([...first, submit], none)).toBe('')
  expect(judge([...first, submit, accepted, start, endOk], onePending)).toBe('')
  expect(judge([...first, submit, accepted, start, endOk, succeeded], oneSucceeded)).toBe('')
})

test('an acknowledged task that is gone is found out', () => {
  expect(judge([...first, submit, accepted], none)).toContain('D1, D3: it is lost')
})

test('a cancelled task that starts or is listed is found out', () => {
  expect(judge([...first, submit, accepted, cancel, cancelled, start])).toContain('D5: it starts, but it is not live')
  expect(judge([...first, submit, accepted, cancel, cancelled], onePending)).toContain('D5: it is listed')
})

test('a task that comes back after its durable success is found out', () => {
  const lives = [...first, submit, accepted, start, endOk, succeeded]
  expect(judge(lives, onePending)).toContain('D5: it is listed')
  expect(judge(lives, [...oneSucceeded, { ...start, fence: 2 }])).toContain('D5: task 1 starts, but it has ended')
})

test('an early start is found out', () => {
  expect(judge([...first, submit, accepted, { ...start, wallMs: now - 1 }])).toContain('D4: 1 ms early')
  expect(judge([...first, submit, accepted, { ...start, scheduledFor: now - 5 }])).toContain('it starts for')
})

test('other data, another attempt, an older fence are found out', () => {
  expect(judge([...first, submit, accepted, { ...start, same: false }])).toContain('other data')
  expect(judge([...first, submit, accepted, { ...start, attempt: 2 }])).toContain('it starts attempt 2')
  expect(judge([...first, submit, accepted, start], [...onePending, start])).toContain('fence 1 after 1')
  expect(judge([...first, submit, accepted], [...onePending, start, { ...start, fence: 2 }])).toContain(
    'while it is running',
  )
})

test('half a batch is found out', () => {
  const both: Line = { t: 'submit', n: 1, tasks: [asked(1), asked(2)] }
  expect(judge([...first, both], onePending)).toContain('D2: it is absent, but task 1 of the same call is there')
})

test('an id that is given twice is found out', () => {
  const second: Line = { t: 'submit', n: 2, tasks: [asked(2)] }
  const again: Line = { t: 'accepted', n: 2, receipts: [[ids[0]!, now]] }
  expect(judge([...first, submit, accepted, second, again])).toContain('ids once')
  const ended = [...first, submit, accepted, start, endOk, succeeded]
  expect(judge(ended, [...oneSucceeded, second, again])).toContain('was given before')
})

test('counters and calendar that differ from the listing are found out', () => {
  expect(judge([...first, submit, accepted], scan([listed], { accepted: 1, pending: 0 }))).toContain(
    'counter pending is 0',
  )
  expect(judge([...first, submit, accepted], scan([listed], { accepted: 2, pending: 1 }))).toContain('counter accepted')
  const scanned: Line = { t: 'scanned', wallMs: now, hours: [] }
  const wrong = onePending.map((line) => (line.t === 'scanned' ? scanned : line))
  expect(judge([...first, submit, accepted], wrong)).toContain('calendar')
})

test('a successor without its parent, or the other way round, is found out', () => {
  const withNext: Line = { ...endOk, next: asked(2) }
  const nextListed: Line = { ...listed, id: ids[1]!, tag: 2 }
  const live = [...first, submit, accepted, start, withNext]
  const both = scan([{ ...listed }, nextListed], { accepted: 2, pending: 2 })
  expect(judge(live, both)).toContain('whose successor it is, has not succeeded')
  expect(judge([...live, succeeded], oneSucceeded)).toContain('lost')
})

test('after a power cut an answer is no proof, and what was asked may have happened', () => {
  const checker = new Checker({ startsSurvive: false })
  checker.born()
  for (const line of first) checker.hear(JSON.stringify(line))
  checker.cut()
  for (const line of [submit, accepted]) checker.hear(JSON.stringify(line))
  checker.gone(true)
  checker.born()
  for (const line of none) checker.hear(JSON.stringify(line))
  expect(checker.violations).toEqual([])
})
