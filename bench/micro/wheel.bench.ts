/**
 * The timing wheel with a million timers outstanding, due at random within an hour, against what else Node offers:
 * setTimeout, and a binary heap (heap-js) in which a timer is cancelled by a mark and stays, as it has no cheap removal.
 * The floor is a plain loop over one typed array in the same order: what memory alone costs.
 *
 *   insert   a timer is made and set             cancel   all are cancelled, in random order
 *   churn    one is cancelled and another set    drain    all expire, 10 ms at a time
 */

import HeapModule from 'heap-js'
import { Bench } from 'tinybench'
import { RowList } from '../../src/wheel/row-list.ts'
import { TaskTable } from '../../src/wheel/task-table.ts'
import { TimingWheel } from '../../src/wheel/timing-wheel.ts'

export const name = 'wheel'

const { Heap } = HeapModule
const startMs = 1_800_000_123_457
const hourMs = 3_600_000

/** What is compared: each step leaves the subject ready for the next of: fill, cancelAll or churn or drain, clear. */
interface Subject {
  fill(): void
  cancelAll(): void
  churn(): void
  drain?(): void
  clear(): void
}

export async function run(options: { tiny: boolean }): Promise<void> {
  const count = options.tiny ? 5_000 : 1_000_000
  const bench = new Bench({
    iterations: options.tiny ? 3 : 7,
    time: 0,
    warmupIterations: 1,
    warmupTime: 0,
    retainSamples: true,
  })
  const timers = randomTimers(count)
  const subjects: Record<string, Subject> = {
    'timing wheel': wheelSubject(timers),
    'heap-js': heapSubject(timers),
    setTimeout: timeoutSubject(timers),
    '(floor)': floorSubject(timers),
  }
  for (const [label, subject] of Object.entries(subjects)) {
    const clear = (): void => subject.clear()
    const refill = (): void => {
      subject.clear()
      subject.fill()
    }
    const filled = { beforeEach: refill, afterEach: clear }
    bench.add(`insert|${label}`, () => subject.fill(), { beforeEach: clear, afterEach: clear })
    bench.add(`cancel|${label}`, () => subject.cancelAll(), filled)
    bench.add(`churn|${label}`, () => subject.churn(), filled)
    if (subject.drain !== undefined) bench.add(`drain|${label}`, () => subject.drain!(), filled)
  }
  await bench.run()
  for (const subject of Object.values(subjects)) subject.clear()
  console.log(
    `${name}: ${count.toLocaleString('en')} timers outstanding, random 0..1 h; median of runs, and their quartiles`,
  )
  console.table(tableOf(bench, count))
}

interface Timers {
  readonly count: number
  readonly at: Float64Array
  /** All timers in random order. */
  readonly order: Int32Array
}

function randomTimers(count: number): Timers {
  let seed = 12_345
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  const at = Float64Array.from({ length: count }, () => startMs + 1 + random(hourMs))
  const order = Int32Array.from({ length: count }, (_, index) => index)
  for (let index = count - 1; index > 0; index--) {
    const other = random(index + 1)
    const swapped = order[index]!
    order[index] = order[other]!
    order[other] = swapped
  }
  return { count, at, order }
}

function wheelSubject({ count, at, order }: Timers): Subject {
  const table = new TaskTable()
  const due = new RowList(table)
  const rows = new Int32Array(count)
  let wheel = new TimingWheel(table, startMs)
  const insert = (atMs: number): number => {
    const row = table.allocate()
    table.fireAt[row] = atMs
    wheel.insert(row)
    return row
  }
  const cancel = (row: number): void => {
    wheel.remove(row)
    table.free(row)
  }
  return {
    fill() {
      wheel = new TimingWheel(table, startMs)
      for (let index = 0; index < count; index++) rows[index] = insert(at[index]!)
    },
    cancelAll() {
      for (let index = 0; index < count; index++) cancel(rows[order[index]!]!)
    },
    churn() {
      for (let index = 0; index < count; index++) {
        cancel(rows[order[index]!]!)
        rows[order[index]!] = insert(at[index]!)
      }
    },
    drain() {
      let emitted = 0
      for (let now = startMs; now <= startMs + hourMs; now += 10) {
        emitted += wheel.advance(now, due)
        for (let row = due.shift(); row !== -1; row = due.shift()) table.free(row)
      }
      if (emitted !== count) throw new Error(`${emitted} of ${count} timers came out`)
    },
    clear() {
      for (let row = 0; row < table.capacity; row++) if (table.slot[row] !== -1 && table.tier[row] !== 0) cancel(row)
    },
  }
}

interface HeapTimer {
  readonly atMs: number
  cancelled: boolean
}

function heapSubject({ count, at, order }: Timers): Subject {
  let heap = new Heap<HeapTimer>((a, b) => a.atMs - b.atMs)
  const timers: HeapTimer[] = []
  const insert = (atMs: number): HeapTimer => {
    const timer = { atMs, cancelled: false }
    heap.push(timer)
    return timer
  }
  return {
    fill() {
      for (let index = 0; index < count; index++) timers[index] = insert(at[index]!)
    },
    cancelAll() {
      for (let index = 0; index < count; index++) timers[order[index]!]!.cancelled = true
    },
    churn() {
      for (let index = 0; index < count; index++) {
        timers[order[index]!]!.cancelled = true
        timers[order[index]!] = insert(at[index]!)
      }
    },
    drain() {
      for (let now = startMs; now <= startMs + hourMs; now += 10) {
        while (heap.length > 0 && heap.peek()!.atMs <= now) heap.pop()
      }
    },
    clear() {
      heap = new Heap<HeapTimer>((a, b) => a.atMs - b.atMs)
    },
  }
}

/** Without drain: it would take the hour. */
function timeoutSubject({ count, at, order }: Timers): Subject {
  const timers: NodeJS.Timeout[] = []
  const nothing = (): void => {}
  return {
    fill() {
      for (let index = 0; index < count; index++) timers[index] = setTimeout(nothing, at[index]! - startMs + hourMs)
    },
    cancelAll() {
      for (let index = 0; index < count; index++) clearTimeout(timers[order[index]!])
    },
    churn() {
      for (let index = 0; index < count; index++) {
        clearTimeout(timers[order[index]!])
        timers[order[index]!] = setTimeout(nothing, at[index]! - startMs + hourMs)
      }
    },
    clear() {
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

function floorSubject({ count, at, order }: Timers): Subject {
  const fireAt = new Float64Array(count)
  const byTime = Int32Array.from({ length: count }, (_, index) => index).sort((a, b) => at[a]! - at[b]!)
  return {
    fill() {
      for (let index = 0; index < count; index++) fireAt[index] = at[index]!
    },
    cancelAll() {
      for (let index = 0; index < count; index++) fireAt[order[index]!] = 0
    },
    churn() {
      for (let index = 0; index < count; index++) fireAt[order[index]!] = at[index]!
    },
    drain() {
      for (let index = 0; index < count; index++) fireAt[byTime[index]!] = 0
    },
    clear() {},
  }
}

function tableOf(bench: Bench, count: number): Record<string, string>[] {
  const rows = bench.tasks.map((task) => {
    const [operation = '', subject = ''] = task.name.split('|')
    const result = task.result
    if (!('latency' in result) || result.latency.samples === undefined) throw new Error(`${task.name} has no result`)
    const samples = result.latency.samples
    const rate = (quantile: number): string => {
      const ms = samples[Math.round((samples.length - 1) * quantile)]!
      return (count / ms / 1000).toFixed(2)
    }
    return {
      operation,
      subject,
      'million/s': rate(0.5),
      quartiles: `${rate(0.75)} - ${rate(0.25)}`,
      runs: `${samples.length}`,
    }
  })
  const order = ['insert', 'cancel', 'churn', 'drain']
  return rows.toSorted((a, b) => order.indexOf(a.operation) - order.indexOf(b.operation))
}
