/** What every view of keys must do, held by the real one and by its simulated twin. */

import { expect } from 'vitest'
import type { KeyChange, KeyEntry, KeyView, Platform } from '../../src/platform/ports.ts'

export interface ViewsUnderTest {
  readonly open: Platform['openKeyView']
  /** Where a view may be kept; nothing is there. */
  readonly path: string
  /** Runs what the test does; a simulated view needs its time to pass meanwhile. */
  readonly run: <T>(work: () => Promise<T>) => Promise<T>
  readonly close: () => Promise<void>
}

type Check = (open: Platform['openKeyView'], path: string) => Promise<void>

const history = 4_711
const live = (id: number): KeyEntry => ({ id, end: undefined })
const ended = (id: number, endedAt: number): KeyEntry => ({
  id,
  end: { endedAt, fireAt: 1_800_000_000_123, generation: 3 },
})

function change(key: string, entry: KeyEntry, queue = 1): KeyChange {
  return { queue, key, entry }
}

/** Outcome and proof; a `test.each` runs them. */
export const keyViewContract: readonly (readonly [string, Check])[] = [
  [
    'there is none until one is made',
    async (open, path) => {
      expect(await open(path, history, 'existing')).toBeUndefined()
      const view = await open(path, history, 'anew')
      expect(view.lsn).toBe(0)
      expect(view.get(1, 'a')).toBeUndefined()
      await view.close()
    },
  ],
  [
    'what was written is found, also by the next who opens it',
    async (open, path) => {
      const view = await open(path, history, 'anew')
      const largest = 2 ** 52 - 1
      await view.write([change('a', live(largest)), change('b', ended(2 ** 32 + 7, 1_800_000_000_999))], 12)
      const check = (opened: KeyView): void => {
        expect(opened.lsn).toBe(12)
        expect(opened.get(1, 'a')).toEqual(live(largest))
        expect(opened.get(1, 'b')).toEqual(ended(2 ** 32 + 7, 1_800_000_000_999))
        expect(opened.get(1, 'c')).toBeUndefined()
      }
      check(view)
      await view.close()
      const again = (await open(path, history, 'existing'))!
      check(again)
      await again.close()
    },
  ],
  [
    'a later change takes the place of an earlier one, and writes may be large',
    async (open, path) => {
      const view = await open(path, history, 'anew')
      await view.write([change('a', live(1))], 1)
      await view.write([change('a', live(2))], 2)
      expect(view.get(1, 'a')).toEqual(live(2))
      const changes = Array.from({ length: 3_000 }, (_, n) => change(`k${n}`, live(n)))
      const written = view.write([...changes, change('a', ended(2, 5))], 2_000_000_000_000)
      await written
      expect(view.lsn).toBe(2_000_000_000_000)
      for (let n = 0; n < 3_000; n++) expect(view.get(1, `k${n}`)).toEqual(live(n))
      expect(view.get(1, 'a')).toEqual(ended(2, 5))
      await view.write([], 2_000_000_000_001)
      expect(view.lsn).toBe(2_000_000_000_001)
      await view.close()
    },
  ],
  [
    'keys of other queues and keys that look alike are other keys',
    async (open, path) => {
      const view = await open(path, history, 'anew')
      const keys = ['a', 'A', 'a ', ' a', 'ä', 'a\u0308', '1 a', '\0', 'x'.repeat(256), '😀'.repeat(64)]
      const changes = keys.flatMap((key, n) => [change(key, live(n), 1), change(key, live(100 + n), 11)])
      await view.write(changes, 1)
      keys.forEach((key, n) => {
        expect(view.get(1, key)).toEqual(live(n))
        expect(view.get(11, key)).toEqual(live(100 + n))
        expect(view.get(2, key)).toBeUndefined()
      })
      await view.close()
    },
  ],
  [
    'one of another history is none',
    async (open, path) => {
      const view = await open(path, history, 'anew')
      await view.write([change('a', live(1))], 5)
      await view.close()
      expect(await open(path, history + 1, 'existing')).toBeUndefined()
      const still = (await open(path, history, 'existing'))!
      expect(still.get(1, 'a')).toEqual(live(1))
      await still.close()
      const anew = await open(path, history + 1, 'anew')
      expect([anew.lsn, anew.get(1, 'a')]).toEqual([0, undefined])
      await anew.close()
      expect(await open(path, history, 'existing')).toBeUndefined()
    },
  ],
  [
    'what may be forgotten goes as others end, and only that',
    async (open, path) => {
      const view = await open(path, history, 'anew')
      const old = Array.from({ length: 300 }, (_, n) => change(`old${n}`, ended(n, 10), 7))
      const young = Array.from({ length: 300 }, (_, n) => change(`young${n}`, ended(n, 20)))
      const unended = Array.from({ length: 300 }, (_, n) => change(`live${n}`, live(n)))
      await view.write([...old, ...young, ...unended], 1)
      const asked = new Set<string>()
      for (let round = 0; round < 20; round++) {
        const ends = Array.from({ length: 50 }, (_, n) => change(`new${round}-${n}`, ended(n, 30)))
        await view.write(ends, 2 + round, (queue, id, endedAt) => {
          asked.add(`${queue} ${id} ${endedAt}`)
          return endedAt < 15
        })
      }
      for (let n = 0; n < 300; n++) {
        expect(view.get(7, `old${n}`)).toBeUndefined()
        expect(view.get(1, `young${n}`)).toEqual(ended(n, 20))
        expect(view.get(1, `live${n}`)).toEqual(live(n))
        expect(asked.has(`7 ${n} 10`)).toBe(true)
      }
      await view.close()
    },
  ],
  [
    'an entry that is to be forgotten and is written again stays',
    async (open, path) => {
      const view = await open(path, history, 'anew')
      await view.write([change('a', ended(1, 10))], 1)
      await view.write([change('a', live(2)), change('b', ended(3, 30))], 2, () => true)
      expect(view.get(1, 'a')).toEqual(live(2))
      await view.close()
    },
  ],
]

export async function hold(check: Check, make: () => Promise<ViewsUnderTest>): Promise<void> {
  const { open, path, run, close } = await make()
  try {
    await run(() => check(open, path))
  } finally {
    await close()
  }
}
