import { expect, it } from 'vitest'
import { TaskTable, tier } from '../../src/wheel/task-table.ts'

it('starts with 16 Ki rows of at most 60 bytes', () => {
  const table = new TaskTable()
  expect(table.capacity).toBe(16_384)
  expect(table.bytesPerRow).toBe(56)
  expect(table.bytesHeld).toBe(16_384 * 56)
  expect(table.count).toBe(0)
})

it('hands out rows that are held, unlinked and without block', () => {
  const table = new TaskTable(2)
  const row = table.allocate()
  table.block[row] = 5
  table.next[row] = 7
  table.free(row)
  expect(table.allocate()).toBe(row)
  expect(table.tier[row]).toBe(tier.held)
  expect([table.slot[row], table.next[row], table.previous[row], table.block[row]]).toEqual([-1, -1, -1, -1])
})

it('doubles when full and keeps every column', () => {
  const table = new TaskTable(2)
  const first = table.allocate()
  const columns = ['homeHour', 'ordinal', 'placeHour', 'fireAt', 'lsn', 'queue', 'tier', 'slot', 'next'] as const
  const more = ['previous', 'block', 'offset', 'walFile', 'walOffset', 'flags'] as const
  for (const [index, name] of [...columns, ...more].entries()) table[name][first] = index + 1
  table.allocate()
  table.allocate()
  expect(table.capacity).toBe(4)
  for (const [index, name] of [...columns, ...more].entries()) {
    expect(table[name][first], name).toBe(index + 1)
    expect(table[name].length, name).toBe(4)
  }
})

it('hands out each row once, freed ones again, the latest first', () => {
  const table = new TaskTable(4)
  const rows = Array.from({ length: 100 }, () => table.allocate())
  expect(new Set(rows).size).toBe(100)
  expect(table.count).toBe(100)
  table.free(10)
  table.free(20)
  expect(table.count).toBe(98)
  expect([table.allocate(), table.allocate(), table.allocate()]).toEqual([20, 10, 100])
})

it('refuses to free a row twice, a row never used, and a row in a wheel', () => {
  const table = new TaskTable(4)
  const row = table.allocate()
  table.free(row)
  expect(() => table.free(row)).toThrow('not in use')
  expect(() => table.free(3)).toThrow('not in use')
  expect(() => table.free(99)).toThrow('not in use')
  const inWheel = table.allocate()
  table.slot[inWheel] = 3
  expect(() => table.free(inWheel)).toThrow('in a wheel')
})
