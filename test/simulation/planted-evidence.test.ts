/** What the checker of the simulator must see in the evidence about leases and keys: each case is a bug that an engine could have. */

import { describe, expect, test } from 'vitest'
import { Checker } from '../../src/testing/checker.ts'
import type { SeenReceipt, SeenStart, SeenTask } from '../../src/testing/simulator/checker-core.ts'
import { Journal } from '../../src/testing/simulator/journal.ts'
import type { Submission, TaskSpec } from '../../src/testing/simulator/task-model.ts'

const hourMs = 3_600_000
const startMs = 2_000_000_000_000

interface Stage {
  readonly checker: Checker
  /** The wall clock and virtual time go on. */
  readonly pass: (ms: number) => void
  readonly rules: () => string[]
}

function stage(): Stage {
  let nowMs = 0
  const clock = { wallMs: () => startMs + nowMs, nowMs: () => nowMs }
  const checker = new Checker(new Journal(() => nowMs), clock)
  checker.opened()
  return {
    checker,
    pass: (ms) => {
      nowMs += ms
    },
    rules: () => checker.violations.map(({ rule }) => rule),
  }
}

function specOf(tag: string, more: Partial<TaskSpec> = {}): TaskSpec {
  return {
    tag,
    queue: 'mail',
    fireFromAt: startMs,
    fireToAt: startMs,
    payload: 'none',
    headers: `n=${tag}`,
    untagged: false,
    expiresAt: undefined,
    timeoutMs: 60_000,
    attemptsMax: 3,
    maxAge: false,
    retryDelayMsMax: 1_000,
    key: undefined,
    onConflict: undefined,
    keyWindowMs: hourMs,
    ...more,
  }
}

function startOf(tag: string, more: Partial<SeenStart> = {}): SeenStart {
  const [id, headers] = [`id-${tag}`, `n=${tag}`]
  const seen = { id, queue: 'mail', tag, payload: 'none', headers, attempt: 1, fence: 1, lateMs: 0 }
  return { ...seen, scheduledFor: startMs, by: 'lease', timeoutMs: 1_000, ...more }
}

function listedOf(tag: string, more: Partial<SeenTask> = {}): SeenTask {
  const { id, queue, payload, headers } = startOf(tag)
  const seen = { id, queue, payload, headers, tag, key: undefined, state: 'pending' as const }
  return { ...seen, fireAt: startMs, attempt: 0, generation: 0, ...more }
}

function receiptOf(tag: string, more: Partial<SeenReceipt> = {}): SeenReceipt {
  return { id: `id-${tag}`, fireAt: startMs, generation: 0, outcome: 'created', ...more }
}

/** Schedules a task and has it accepted. */
function accepted(checker: Checker, tag: string, more: Partial<TaskSpec> = {}): Submission {
  const submission = checker.submit('schedule', [specOf(tag, more)])
  checker.accepted(submission, [receiptOf(tag)])
  return submission
}

describe('leases', () => {
  function leased(): Stage & { attempt: NonNullable<ReturnType<Checker['started']>> } {
    const made = stage()
    accepted(made.checker, 't1')
    return { ...made, attempt: made.checker.started(startOf('t1'))! }
  }

  test('lease, extend, ack and a successor without fault are none', () => {
    const { checker, attempt, pass, rules } = leased()
    pass(900)
    checker.extendAnswered(checker.extendCalled(attempt, 1_000), { outcome: 'extended' })
    pass(900)
    checker.ackAnswered(checker.ackCalled(attempt, specOf('t2')), { outcome: 'acked' })
    checker.died('powerCut')
    checker.scanned([listedOf('t2')])
    checker.ackAnswered(checker.ackCalled(attempt, undefined), { outcome: 'ended' })
    expect(rules()).toEqual([])
  })

  test('an acknowledged answer to a lease that had expired is seen', () => {
    const { checker, attempt, pass, rules } = leased()
    pass(1_500)
    checker.started(startOf('t1', { attempt: 2, fence: 2, lateMs: 0 }))
    checker.ackAnswered(checker.ackCalled(attempt, undefined), { outcome: 'acked' })
    expect(rules()).toContain('leases')
  })

  test('a token that is called stale while its lease lasts is seen', () => {
    for (const kind of ['ack', 'nack', 'extend'] as const) {
      const { checker, attempt, rules } = leased()
      if (kind === 'ack') checker.ackAnswered(checker.ackCalled(attempt, undefined), { outcome: 'stale' })
      else if (kind === 'nack') checker.nackAnswered(checker.nackCalled(attempt, false, 0), { outcome: 'stale' })
      else checker.extendAnswered(checker.extendCalled(attempt, 500), { outcome: 'stale' })
      expect(rules()).toContain('leases')
    }
  })

  test('a token of another life that counts is seen', () => {
    const { checker, attempt, rules } = leased()
    checker.died('kill')
    checker.opened()
    checker.scanned([listedOf('t1')])
    checker.nackAnswered(checker.nackCalled(attempt, false, 0), { outcome: 'nacked' })
    expect(rules()).toContain('leases')
  })

  test('a start after an acknowledged ack is seen, across a crash', () => {
    const { checker, attempt, rules } = leased()
    checker.ackAnswered(checker.ackCalled(attempt, undefined), { outcome: 'acked' })
    checker.died('powerCut')
    checker.started(startOf('t1', { fence: 2 }))
    expect(rules()).toContain('D5 ended')
  })

  test('an acknowledged nack that a crash has undone is seen', () => {
    const { checker, attempt, rules } = leased()
    checker.nackAnswered(checker.nackCalled(attempt, false, 0), { outcome: 'nacked' })
    checker.died('powerCut')
    checker.scanned([listedOf('t1', { attempt: 0 })])
    expect(rules()).toContain('attempts')
  })

  test('a task that was handed out by lease and is gone after a power cut is seen, although nobody acknowledged it', () => {
    const { checker, rules } = stage()
    checker.submit('schedule', [specOf('t1')])
    checker.started(startOf('t1'))
    checker.died('powerCut')
    checker.scanned([])
    expect(rules()).toEqual(['D1 lost'])
  })

  test('a fence that does not grow is seen', () => {
    const { checker, pass, rules } = leased()
    pass(1_500)
    checker.started(startOf('t1', { attempt: 2, fence: 1 }))
    expect(rules()).toContain('fences')
  })

  test('a successor of an ack that did not count is seen', () => {
    const { checker, attempt, pass, rules } = leased()
    pass(1_500)
    checker.ackAnswered(checker.ackCalled(attempt, specOf('t2')), { outcome: 'stale' })
    checker.started(startOf('t2', { fence: 2 }))
    expect(rules()).toContain('D5 ended')
  })

  test('an attempt that the death of a thread took from a task that waited in it is seen', () => {
    const { checker, attempt, rules } = leased()
    accepted(checker, 't2')
    checker.threadDied(attempt)
    checker.event('attemptFailed', { id: 'id-t1', attempt: 1, retryAt: startMs })
    expect(rules()).toEqual([])
    checker.event('attemptFailed', { id: 'id-t2', attempt: 1, retryAt: startMs })
    expect(rules()).toContain('attempts')
  })
})

describe('keys', () => {
  const keyed = { key: 'k', onConflict: 'keep' } as const
  const replacing = { key: 'k', onConflict: 'replace' } as const

  test('a cancel by id while the task is replaced is held against the one that has the id', () => {
    const raced = (more: Partial<SeenReceipt>, startedAs: string): string[] => {
      const { checker, rules } = stage()
      const [first] = accepted(checker, 't1', keyed).tasks
      const cancel = checker.cancelCalled(first!)
      const second = checker.submit('schedule', [specOf('t2', replacing)])
      checker.cancelAnswered(cancel, { outcome: 'cancelled' })
      checker.accepted(second, [receiptOf('t2', more)])
      checker.started(startOf('t2', { id: startedAs }))
      return rules()
    }
    // It was cancelled first, and another came under a new id; or it was replaced first, and the other one cancelled.
    expect(raced({}, 'id-t2')).toEqual([])
    expect(raced({ id: 'id-t1', outcome: 'replaced', generation: 1 }, 'id-t1')).toContain('D5 ended')
  })

  test('a get by id while the task is replaced may show either, and nothing else', () => {
    const shown = (more: Partial<SeenTask>): string[] => {
      const { checker, rules } = stage()
      const [first] = accepted(checker, 't1', keyed).tasks
      accepted(checker, 't3', { ...keyed, key: 'other' })
      const get = checker.getCalled(first!)
      checker.submit('schedule', [specOf('t2', replacing)])
      checker.viewed(get, listedOf('t1', { key: 'k', ...more }))
      return rules()
    }
    expect(shown({})).toEqual([])
    expect(shown({ tag: 't2', headers: 'n=t2', generation: 1 })).toEqual([])
    expect(shown({ generation: 1 })).toEqual(['generations'])
    expect(shown({ tag: 't3', headers: 'n=t3' })).toEqual(['same data'])
  })

  test('keep, reject, move, replace and take over without fault are none', () => {
    const { checker, rules } = stage()
    accepted(checker, 't1', keyed)
    const again = checker.submit('schedule', [specOf('t2', keyed)])
    checker.accepted(again, [receiptOf('t1', { outcome: 'kept', state: 'pending' })])
    checker.rejected(
      checker.submit('schedule', [specOf('t3', { ...keyed, onConflict: 'reject' })]),
      'HW_KEY_EXISTS',
      'not done',
    )
    const later = startMs + 5
    const moving = specOf('t4', { ...keyed, onConflict: 'latest', fireFromAt: later, fireToAt: later })
    const moved = { outcome: 'replaced', fireAt: later, generation: 1 }
    checker.accepted(checker.submit('schedule', [moving]), [receiptOf('t1', moved)])
    const replaced = receiptOf('t1', { outcome: 'replaced', generation: 2 })
    checker.accepted(checker.submit('schedule', [specOf('t5', replacing)]), [replaced])
    const start = startOf('t5', { id: 'id-t1', by: 'function', timeoutMs: undefined })
    expect(checker.started(start)).toBeDefined()
    const taken = receiptOf('t6', { running: 'id-t1' })
    checker.accepted(checker.submit('schedule', [specOf('t6', replacing)]), [taken])
    checker.died('kill')
    checker.scanned([listedOf('t5', { id: 'id-t1', generation: 2 }), listedOf('t6', { key: 'k' })])
    expect(checker.violations).toEqual([])
    expect(rules()).toEqual([])
  })

  test('a task that is created beside the holder of its key is seen', () => {
    for (const more of [keyed, replacing]) {
      const { checker, rules } = stage()
      accepted(checker, 't1', keyed)
      accepted(checker, 't2', more)
      expect(rules()).toContain('one holder')
    }
  })

  test('two holders in a listing are seen', () => {
    const { checker, rules } = stage()
    checker.submit('schedule', [specOf('t1', keyed)])
    checker.submit('schedule', [specOf('t2', keyed)])
    checker.died('powerCut')
    checker.scanned([listedOf('t1', { key: 'k' }), listedOf('t2', { key: 'k' })])
    expect(rules()).toContain('one holder')
  })

  test('a holder that has lost its key to nobody is seen', () => {
    const { checker, rules } = stage()
    accepted(checker, 't1', keyed)
    checker.died('kill')
    checker.scanned([listedOf('t1')])
    expect(rules()).toContain('one holder')
  })

  test('a replaced version that comes back is seen', () => {
    const { checker, rules } = stage()
    accepted(checker, 't1', keyed)
    const replaced = receiptOf('t1', { outcome: 'replaced', generation: 1 })
    checker.accepted(checker.submit('schedule', [specOf('t2', replacing)]), [replaced])
    checker.died('powerCut')
    checker.scanned([listedOf('t1', { key: 'k' })])
    expect(rules()).toContain('D5 ended')
  })

  test('one that is kept, but was not so, is seen', () => {
    for (const wrong of [
      { state: 'ended' },
      { state: 'pending', fireAt: startMs + 1 },
      { state: 'pending', generation: 1 },
    ]) {
      const { checker, rules } = stage()
      accepted(checker, 't1', keyed)
      const again = checker.submit('schedule', [specOf('t2', keyed)])
      checker.accepted(again, [receiptOf('t1', { outcome: 'kept', ...wrong })])
      expect(rules()).toContain('receipts')
    }
  })

  test('a refusal although nobody has the key is seen', () => {
    const { checker, rules } = stage()
    checker.rejected(
      checker.submit('schedule', [specOf('t1', { ...keyed, onConflict: 'reject' })]),
      'HW_KEY_EXISTS',
      'not done',
    )
    expect(rules()).toContain('receipts')
  })

  function ended(): Stage {
    const made = stage()
    const [task] = accepted(made.checker, 't1', keyed).tasks
    made.checker.cancelAnswered(made.checker.cancelCalled(task!), { outcome: 'cancelled' })
    made.checker.event('cancelled', { id: 'id-t1' })
    return made
  }

  test('one that has ended is forgotten before its window is over: seen', () => {
    const { checker, pass, rules } = ended()
    pass(hourMs / 2)
    accepted(checker, 't2', keyed)
    expect(rules()).toEqual(['key window'])
  })

  test('one that has ended is remembered after its window is over: seen', () => {
    const { checker, pass, rules } = ended()
    pass(2 * hourMs)
    const again = checker.submit('schedule', [specOf('t2', keyed)])
    checker.accepted(again, [receiptOf('t1', { outcome: 'kept', state: 'ended' })])
    expect(rules()).toEqual(['key window'])
  })

  test('the same call after an unknown outcome that takes effect twice is seen', () => {
    const { checker, rules } = stage()
    const [task] = checker.submit('schedule', [specOf('t1', keyed)]).tasks
    checker.died('kill')
    checker.opened()
    checker.scanned([listedOf('t1', { key: 'k' })])
    checker.accepted(checker.resubmit(task!), [receiptOf('t1', { id: 'id-t9' })])
    expect(rules()).toContain('ids once')
  })

  test('a key that finds nobody, or another, is seen', () => {
    for (const [answer, id] of [
      ['missing', undefined],
      ['pending', 'id-t9'],
    ] as const) {
      const { checker, rules } = stage()
      accepted(checker, 't1', keyed)
      const ref = { queue: 'mail', key: 'k' }
      checker.keyAnswered(ref, checker.keyCalled(ref, 'get'), 'get', answer, id)
      expect(rules()).toContain('one holder')
    }
  })
})
