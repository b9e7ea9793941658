/**
 * Units of time and the span of instants that can be scheduled. Instants are whole UTC epoch milliseconds; hours are
 * counted in UTC from the epoch and fit 20 bits, which is where the end of the span comes from.
 */

export const secondMs = 1_000
export const minuteMs = 60_000
export const hourMs = 3_600_000
export const dayMs = 86_400_000
export const weekMs = 604_800_000

/** Hours are below this: 2 ** 20. */
export const hourLimit = 1_048_576

/** The earliest instant, 2001-09-09T01:46:40Z: smaller numbers are seconds taken for milliseconds far more often than meant. */
export const instantMsMin = 1_000_000_000_000

/** Instants are below this: hourLimit * hourMs, 2089-08-14T16:00:00Z. */
export const instantMsLimit = 3_774_873_600_000

/** The UTC hour an instant lies in. Exact for every instant of the span. */
export function hourOf(ms: number): number {
  return Math.floor(ms / hourMs)
}
