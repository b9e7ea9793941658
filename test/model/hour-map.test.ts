import fc from 'fast-check'
import { expect, it } from 'vitest'
import { HourMap } from '../../src/model/hour-map.ts'

/** Of the first three, the low bits are the same. */
const hour = fc.constantFrom(5, 5 + 1_024, 5 + 2_048, 0, 495_000, 2 ** 31 - 1)
const step = fc.record({ kind: fc.constantFrom('set', 'delete', 'get'), hour })

it('does what a Map does, also for hours that share a cell', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const hours = new HourMap<{ readonly step: number }>()
      const model = new Map<number, { readonly step: number }>()
      for (const [at, { kind, hour }] of steps.entries()) {
        if (kind === 'set') {
          const value = { step: at }
          hours.set(hour, value)
          model.set(hour, value)
        } else if (kind === 'delete') {
          hours.delete(hour)
          model.delete(hour)
        } else expect(hours.get(hour)).toBe(model.get(hour))
        expect(hours.size).toBe(model.size)
      }
      expect([...hours]).toEqual([...model])
      expect([...hours.values()]).toEqual([...model.values()])
      for (const { hour } of steps) expect(hours.get(hour)).toBe(model.get(hour))
    }),
  )
})
