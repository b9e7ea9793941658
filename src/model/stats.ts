/**
 * Counters of a queue: names, their order on disk (docs/format.md), and the sum that must hold at every instant:
 *
 *     accepted = pending + leased + succeeded + dead + cancelled + expired + replaced + purged + damaged
 */

export const counterNames = [
  'accepted',
  'pending',
  'leased',
  'succeeded',
  'dead',
  'cancelled',
  'expired',
  'replaced',
  'purged',
  'damaged',
] as const

export type CounterName = (typeof counterNames)[number]

export type Counters = { readonly [name in CounterName]: number }

/** Accepted minus all the rest: 0 when nothing was lost and nothing made up. */
export function conservationOf(counters: ArrayLike<number>): number {
  let rest = counters[0]!
  for (let i = 1; i < counterNames.length; i++) rest -= counters[i]!
  return rest
}

/** Whether the sum holds and every counter is a count. */
export function conservationHolds(counters: ArrayLike<number>): boolean {
  if (counters.length !== counterNames.length) return false
  for (let i = 0; i < counterNames.length; i++) if (!Number.isSafeInteger(counters[i]) || counters[i]! < 0) return false
  return conservationOf(counters) === 0
}

/** Adds to `into`, in place. */
export function addCounters(into: Float64Array, counters: ArrayLike<number>): void {
  for (let i = 0; i < counterNames.length; i++) into[i]! += counters[i]!
}

/** By name, as `stats` answers them. */
export function countersByName(counters: ArrayLike<number>): Counters {
  const byName: Partial<Record<CounterName, number>> = {}
  for (let i = 0; i < counterNames.length; i++) byName[counterNames[i]!] = counters[i]!
  return byName as Counters
}
