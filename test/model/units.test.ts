import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../src/model/limits.ts'
import { dayMs, hourLimit, hourMs, hourOf, instantMsLimit, instantMsMin, weekMs } from '../../src/model/units.ts'

test('the span of instants is what its words say', () => {
  expect(hourLimit).toBe(2 ** 20)
  expect(instantMsLimit).toBe(hourLimit * hourMs)
  expect(new Date(instantMsMin).toISOString()).toBe('2001-09-09T01:46:40.000Z')
  expect(new Date(instantMsLimit).toISOString()).toBe('2089-08-14T16:00:00.000Z')
  expect(weekMs).toBe(7 * dayMs)
})

test('an instant lies in its hour, at both edges', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: hourLimit - 1 }), fc.integer({ min: 0, max: hourMs - 1 }), (hour, restMs) => {
      expect(hourOf(hour * hourMs)).toBe(hour)
      expect(hourOf(hour * hourMs + restMs)).toBe(hour)
      expect(hourOf((hour + 1) * hourMs - 1)).toBe(hour)
    }),
  )
})

test('limits are whole, frozen, and defaults lie within theirs', () => {
  for (const value of Object.values(limits)) expect(Number.isSafeInteger(value) && value > 0).toBe(true)
  expect(Object.isFrozen(limits)).toBe(true)
  expect(limits.payloadBytesMax).toBeLessThanOrEqual(limits.payloadBytesHardMax)
  expect(limits.payloadBytesHardMax).toBeLessThanOrEqual(limits.batchBytesMax)
  expect(limits.leaseMsMin).toBeLessThan(limits.leaseMsDefault)
  expect(limits.leaseMsDefault).toBeLessThan(limits.leaseMsMax)
  expect(limits.timeoutMsMin).toBeLessThan(limits.timeoutMsDefault)
  expect(limits.timeoutMsDefault).toBeLessThan(limits.timeoutMsMax)
})
