import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { RowList } from '../../src/wheel/row-list.ts'
import { TaskTable } from '../../src/wheel/task-table.ts'
import { TimingWheel } from '../../src/wheel/timing-wheel.ts'

const yearMs = 365 * 86_400_000
const start = 1_800_000_000_000

/** Distances around everything that is an edge: slots, levels, the wheel's base. */
const distance = fc.oneof(
  fc.nat(600),
  fc.nat(600),
  fc.nat(5_000_000),
  fc.nat(2 ** 31 - 1),
  fc.maxSafeNat().map((ms) => ms % (40 * yearMs)),
  fc.constantFrom(1, 511, 512, 513, 512 * 8191, 512 * 8192, 2 ** 30 - 1, 2 ** 30, 2 ** 30 + 1, 2 ** 36),
  fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: -1, max: 1 })).map(([slots, ms]) => slots * 512 + ms),
)
const startMs = fc.oneof(
  fc.constantFrom(0, start, 2 ** 30 - 1, 2 ** 30, 2 ** 36 - 1),
  fc.tuple(fc.nat(4000), fc.integer({ min: 0, max: 1200 })).map(([base, before]) => (base + 2) * 2 ** 30 - before),
  fc.tuple(fc.nat(4000), fc.integer({ min: 0, max: 1200 })).map(([base, before]) => (base + 2) * 512 * 8192 - before),
)
const limit = fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 4 }))
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('insert' as const), distance, count: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('overdue' as const), distance }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), pick: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), distance, limit }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('next' as const), limit }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('back' as const), distance }) },
)

/** The plain model: all rows in an array, sorted by (instant it can come out, order it went in). */
class Model {
  waiting: { row: number; atMs: number; outMs: number; order: number }[] = []
  private order = 0

  insert(row: number, atMs: number, currentMs: number): void {
    this.waiting.push({ row, atMs, outMs: Math.max(atMs, currentMs), order: this.order++ })
    this.waiting.sort((a, b) => a.outMs - b.outMs || a.order - b.order)
  }
}

function take(list: RowList): number[] {
  const rows: number[] = []
  for (let row = list.shift(); row !== -1; row = list.shift()) rows.push(row)
  return rows
}

describe.each(['fireAt', 'given'] as const)('TimingWheel by %s', (instants) => {
  function insert(wheel: TimingWheel, table: TaskTable, atMs: number): number {
    const row = table.allocate()
    if (instants === 'given') wheel.insertAt(row, atMs)
    else {
      table.fireAt[row] = atMs
      wheel.insert(row)
    }
    return row
  }

  it('does what a sorted array does', () => {
    fc.assert(
      fc.property(startMs, fc.array(step, { maxLength: 120 }), (from, steps) => {
        const table = new TaskTable(4)
        const wheel = new TimingWheel(table, from, instants)
        const model = new Model()
        const due = new RowList(table)
        let now = from

        const advance = (to: number, limit: number): void => {
          const before = wheel.currentMs
          const count = wheel.advance(to, due, limit)
          const rows = take(due)
          expect(rows.length).toBe(count)
          expect(count).toBeLessThanOrEqual(limit)
          const expected = model.waiting.splice(0, count)
          expect(rows).toEqual(expected.map((each) => each.row))
          for (const each of expected) expect(each.atMs).toBeLessThanOrEqual(to)
          for (const row of rows) {
            expect(table.slot[row]).toBe(-1)
            table.free(row)
          }
          expect(wheel.currentMs).toBeGreaterThanOrEqual(before)
          expect(wheel.currentMs).toBeLessThanOrEqual(Math.max(to, before))
          if (to < before) expect([count, wheel.currentMs]).toEqual([0, before])
          else if ((wheel.nextExpiryMs() ?? Infinity) > to) {
            if (limit === Infinity) expect(wheel.currentMs).toBe(to)
            if (model.waiting.length > 0) expect(model.waiting[0]!.outMs).toBeGreaterThan(to)
          } else expect(limit).not.toBe(Infinity)
        }

        for (const each of steps) {
          if (each.kind === 'insert') {
            for (let copy = 0; copy < each.count; copy++) {
              const atMs = now + each.distance
              model.insert(insert(wheel, table, atMs), atMs, wheel.currentMs)
            }
          } else if (each.kind === 'overdue') {
            const atMs = Math.max(0, now - each.distance)
            model.insert(insert(wheel, table, atMs), atMs, wheel.currentMs)
          } else if (each.kind === 'remove') {
            if (model.waiting.length === 0) continue
            const [gone] = model.waiting.splice(each.pick % model.waiting.length, 1)
            wheel.remove(gone!.row)
            table.free(gone!.row)
          } else if (each.kind === 'advance') {
            now += each.distance
            advance(now, each.limit)
          } else if (each.kind === 'next') {
            now = Math.max(now, wheel.nextExpiryMs() ?? now)
            advance(now, each.limit)
          } else advance(Math.max(0, now - each.distance), Infinity)

          expect(wheel.count).toBe(model.waiting.length)
          const next = wheel.nextExpiryMs()
          if (model.waiting.length === 0) expect(next).toBeUndefined()
          else {
            expect(next).toBeGreaterThanOrEqual(wheel.currentMs)
            expect(next).toBeLessThanOrEqual(model.waiting[0]!.outMs)
          }
        }
        advance(now + 100 * yearMs, Infinity)
        expect(model.waiting.length).toBe(0)
        expect(wheel.count).toBe(0)
      }),
      { numRuns: 400 },
    )
  })

  it('emits a row at its instant and not a millisecond before', () => {
    for (const distance of [1, 2, 511, 512, 513, 4_194_303, 4_194_304, 2 ** 30, 2 ** 31, 2 ** 32 + 5, 30 * yearMs]) {
      const table = new TaskTable(4)
      const wheel = new TimingWheel(table, start, instants)
      const due = new RowList(table)
      const row = insert(wheel, table, start + distance)
      expect(wheel.advance(start + distance - 1, due)).toBe(0)
      expect(wheel.nextExpiryMs()).toBe(start + distance)
      expect(wheel.advance(start + distance, due)).toBe(1)
      expect(take(due)).toEqual([row])
    }
  })

  it('rounds fractions up to a whole millisecond, never early', () => {
    const table = new TaskTable(4)
    const wheel = new TimingWheel(table, 10.9, instants)
    const due = new RowList(table)
    expect(wheel.currentMs).toBe(10)
    insert(wheel, table, 20.25)
    insert(wheel, table, 2 ** 31 + 0.5)
    expect(wheel.nextExpiryMs()).toBe(21)
    expect(wheel.advance(20.99, due)).toBe(0)
    expect(wheel.advance(21.01, due)).toBe(1)
    expect(wheel.advance(2 ** 31 + 0.5, due)).toBe(0)
    expect(wheel.advance(2 ** 31 + 1, due)).toBe(1)
  })
})

describe('TimingWheel', () => {
  it('reaches a far instant in a few steps from one nextExpiryMs to the next', () => {
    const table = new TaskTable(4)
    const wheel = new TimingWheel(table, start)
    const due = new RowList(table)
    const row = table.allocate()
    table.fireAt[row] = start + 10 * yearMs + 12_345
    wheel.insert(row)
    let steps = 0
    while (wheel.count > 0) {
      wheel.advance(wheel.nextExpiryMs()!, due)
      steps++
    }
    expect(steps).toBeLessThanOrEqual(6)
    expect(wheel.currentMs).toBe(table.fireAt[row])
  })

  it('jumps a century at once, empty or not', () => {
    const table = new TaskTable(4)
    const wheel = new TimingWheel(table, start)
    const due = new RowList(table)
    const row = table.allocate()
    table.fireAt[row] = start + 50 * yearMs
    wheel.insert(row)
    const began = performance.now()
    for (let century = 1; century <= 100; century++) wheel.advance(start + century * 100 * yearMs, due)
    expect(performance.now() - began).toBeLessThan(100)
    expect(take(due)).toEqual([row])
  })

  it('keeps the order of an instant when rows came by different levels and the cascade is cut in pieces', () => {
    const table = new TaskTable(16)
    const wheel = new TimingWheel(table, 0)
    const due = new RowList(table)
    const at = 512 * 8192 + 512 + 7
    const insert = (): number => {
      const row = table.allocate()
      table.fireAt[row] = at
      wheel.insert(row)
      return row
    }
    const rows = [insert(), insert(), insert()]
    wheel.advance(at - 4_000_000, due)
    rows.push(insert(), insert(), insert())
    wheel.advance(at - 100, due)
    rows.push(insert())
    for (let turn = 0; turn < 20 && wheel.count > 0; turn++) {
      wheel.advance(at, due, 1)
      if (turn < 3) rows.push(insert())
    }
    expect(take(due)).toEqual(rows)
  })

  it('does nothing while a clock that was set back catches up', () => {
    const table = new TaskTable(4)
    const wheel = new TimingWheel(table, 1000)
    const due = new RowList(table)
    const row = table.allocate()
    table.fireAt[row] = 600
    wheel.insert(row)
    expect(wheel.advance(500, due)).toBe(0)
    expect(wheel.advance(999, due)).toBe(0)
    expect(wheel.advance(1000, due)).toBe(1)
  })

  it('refuses what would break it', () => {
    const table = new TaskTable(4)
    const wheel = new TimingWheel(table, 1000)
    const due = new RowList(table)
    const row = table.allocate()
    table.fireAt[row] = 2000
    expect(() => wheel.remove(row)).toThrow('not in a wheel')
    expect(() => wheel.remove(77)).toThrow('not in a wheel')
    wheel.insert(row)
    expect(() => wheel.insert(row)).toThrow('in a wheel already')
    expect(() => wheel.insert(99)).toThrow('no row')
    expect(() => wheel.insertAt(row, 5)).toThrow('use insert')
    expect(() => new TimingWheel(table, 0, 'given').insert(row)).toThrow('use insertAt')
    expect(() => new TimingWheel(table, -1)).toThrow('out of range')
    expect(() => wheel.advance(NaN, due)).toThrow('out of range')
    for (const instant of [NaN, Infinity, 2 ** 53]) {
      const other = table.allocate()
      table.fireAt[other] = instant
      expect(() => wheel.insert(other)).toThrow('out of range')
      expect(table.slot[other]).toBe(-1)
      table.free(other)
    }
    expect(wheel.count).toBe(1)
  })

  it('takes a million rows and gives them back in order', () => {
    const rows = 1_000_000
    const table = new TaskTable()
    const wheel = new TimingWheel(table, start)
    for (let count = 0; count < rows; count++) {
      const row = table.allocate()
      table.fireAt[row] = start + ((count * 7_919_317) % 3_600_000)
      wheel.insert(row)
    }
    for (let row = 0; row < rows; row += 3) {
      wheel.remove(row)
      table.free(row)
    }
    const left = wheel.count
    expect(left).toBe(rows - Math.ceil(rows / 3))
    const due = new RowList(table)
    let emitted = 0
    for (let now = start; now < start + 3_600_000; now += 60_000) emitted += wheel.advance(now, due)
    emitted += wheel.advance(start + 3_600_000, due)
    expect([emitted, due.count, wheel.count]).toEqual([left, left, 0])
    let disorder = 0
    let last = 0
    for (let row = due.head; row !== -1; row = table.next[row]!) {
      if (table.fireAt[row]! < last) disorder++
      last = table.fireAt[row]!
    }
    expect(disorder).toBe(0)
  })
})
