import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { RowIndex } from '../../src/wheel/row-index.ts'

const hour = fc.constantFrom(0, 495_000, 495_001, 2 ** 20 - 1)
const ordinal = fc.oneof(fc.nat(40), fc.nat(9_000), fc.nat(0xffff_ffff), fc.constantFrom(4095, 4096, 0xffff_ffff))
const step = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), hour, ordinal, row: fc.nat(2 ** 30) }),
  fc.record({
    kind: fc.constant('fill' as const),
    hour,
    ordinal,
    count: fc.nat(2_000),
    stride: fc.constantFrom(1, 2, 7),
  }),
  fc.record({ kind: fc.constant('delete' as const), hour, ordinal }),
  fc.record({ kind: fc.constant('thin' as const), hour, keep: fc.constantFrom(2, 20) }),
  fc.record({ kind: fc.constant('empty' as const), hour }),
)

const idOf = (hour: number, ordinal: number): number => hour * 2 ** 32 + ordinal

describe('RowIndex', () => {
  it('does what a Map does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const index = new RowIndex()
        const model = new Map<number, number>()
        const inHour = (hour: number): number[] => [...model.keys()].filter((id) => Math.floor(id / 2 ** 32) === hour)
        for (const each of steps) {
          if (each.kind === 'set') {
            index.set(each.hour, each.ordinal, each.row)
            model.set(idOf(each.hour, each.ordinal), each.row)
          } else if (each.kind === 'fill') {
            for (let at = 0; at < each.count; at++) {
              const ordinal = (each.ordinal + at * each.stride) % 2 ** 32
              index.set(each.hour, ordinal, at)
              model.set(idOf(each.hour, ordinal), at)
            }
          } else if (each.kind === 'delete') {
            const id = idOf(each.hour, each.ordinal)
            expect(index.delete(each.hour, each.ordinal)).toBe(model.delete(id))
          } else if (each.kind === 'thin') {
            for (const [at, id] of inHour(each.hour).entries()) {
              if (at % each.keep === 0) continue
              expect(index.delete(each.hour, id % 2 ** 32)).toBe(true)
              model.delete(id)
            }
          } else {
            for (const id of inHour(each.hour)) {
              expect(index.delete(each.hour, id % 2 ** 32)).toBe(true)
              model.delete(id)
            }
            expect(index.countOf(each.hour)).toBe(0)
          }
          expect(index.count).toBe(model.size)
        }
        let wrong = 0
        for (const [id, row] of model) if (index.get(Math.floor(id / 2 ** 32), id % 2 ** 32) !== row) wrong++
        expect(wrong).toBe(0)
        for (const [id] of model) index.delete(Math.floor(id / 2 ** 32), id % 2 ** 32)
        expect(index.count).toBe(0)
        expect(index.bytesHeld()).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  it('answers -1 for what it does not hold', () => {
    const index = new RowIndex()
    expect(index.get(1, 0)).toBe(-1)
    index.set(1, 5, 77)
    expect([index.get(1, 5), index.get(1, 4), index.get(1, 0xffff_ffff), index.get(2, 5)]).toEqual([77, -1, -1, -1])
    expect(index.delete(2, 5)).toBe(false)
    expect([index.countOf(1), index.countOf(2)]).toEqual([1, 0])
  })

  it('takes 4 bytes an entry where all ordinals of an hour are in memory', () => {
    const index = new RowIndex()
    for (let ordinal = 0; ordinal < 200_000; ordinal++) index.set(9, ordinal, ordinal)
    expect(index.bytesHeld() / index.count).toBeLessThan(4.2)
  })

  it.each([
    // every n-th ordinal, of how many an hour, in how many hours
    [10, 1_141, 200],
    [10, 200_000, 1],
    [100, 500_000, 1],
    [4_096, 10_000_000, 1],
  ])('takes a few bytes an entry where 1 in %d of %d ordinals is in memory', (stride, ordinals, hours) => {
    const index = new RowIndex()
    for (let hour = 0; hour < hours; hour++) {
      for (let ordinal = hour % stride; ordinal < ordinals; ordinal += stride) index.set(hour, ordinal, ordinal)
    }
    expect(index.bytesHeld() / index.count).toBeLessThan(33)
  })

  it('gives memory back as a full hour thins out', () => {
    const index = new RowIndex()
    for (let ordinal = 0; ordinal < 100_000; ordinal++) index.set(9, ordinal, ordinal)
    for (let ordinal = 0; ordinal < 100_000; ordinal++) if (ordinal % 50 !== 0) index.delete(9, ordinal)
    expect(index.count).toBe(2_000)
    expect(index.bytesHeld() / index.count).toBeLessThan(65)
    for (let ordinal = 0; ordinal < 100_000; ordinal += 50) expect(index.get(9, ordinal)).toBe(ordinal)
  })
})
