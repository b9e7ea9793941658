import { expect, it } from 'vitest'
import fc from 'fast-check'
import { RowList } from '../../src/wheel/row-list.ts'
import { TaskTable } from '../../src/wheel/task-table.ts'

const step = fc.oneof(
  fc.record({ kind: fc.constantFrom('push' as const, 'pushFront' as const), list: fc.nat(1) }),
  fc.record({ kind: fc.constantFrom('shift' as const, 'concat' as const), list: fc.nat(1) }),
  fc.record({ kind: fc.constant('remove' as const), list: fc.nat(1), at: fc.nat(30) }),
)

function backwards(list: RowList): number[] {
  const rows: number[] = []
  for (let row = list.tail; row !== -1; row = list.table.previous[row]!) rows.unshift(row)
  return rows
}

it('does what an array does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const table = new TaskTable(4)
      const lists = [new RowList(table), new RowList(table)] as const
      const models: [number[], number[]] = [[], []]
      for (const each of steps) {
        const list = lists[each.list]!
        const model = models[each.list]!
        if (each.kind === 'push' || each.kind === 'pushFront') {
          const row = table.allocate()
          list[each.kind](row)
          if (each.kind === 'push') model.push(row)
          else model.unshift(row)
        } else if (each.kind === 'shift') {
          const row = list.shift()
          expect(row).toBe(model.shift() ?? -1)
          if (row !== -1) table.free(row)
        } else if (each.kind === 'remove') {
          const row = model[each.at]
          if (row === undefined) continue
          list.remove(row)
          model.splice(each.at, 1)
        } else {
          list.concat(lists[1 - each.list]!)
          model.push(...models[1 - each.list]!.splice(0))
        }
        for (const index of [0, 1] as const) {
          expect([...lists[index]]).toEqual(models[index])
          expect(backwards(lists[index])).toEqual(models[index])
          expect(lists[index].count).toBe(models[index].length)
        }
      }
    }),
  )
})

it('concat of a list with itself changes nothing', () => {
  const table = new TaskTable(4)
  const list = new RowList(table)
  list.push(table.allocate())
  list.concat(list)
  expect([...list]).toEqual([0])
})

it('lets the row just given be removed while iterating', () => {
  const table = new TaskTable(8)
  const list = new RowList(table)
  for (let index = 0; index < 5; index++) list.push(table.allocate())
  for (const row of list) if (row % 2 === 0) list.remove(row)
  expect([...list]).toEqual([1, 3])
})
