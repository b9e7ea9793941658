/** Small statistics and how they are shown. Pure. */

/** One figure over several rounds. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = Float64Array.from(values).sort()
  return { median: quantileOf(sorted, 0.5), min: quantileOf(sorted, 0), max: quantileOf(sorted, 1) }
}

/** `sorted` ascending; between two values the nearer one. NaN of nothing. */
export function quantileOf(sorted: ArrayLike<number>, quantile: number): number {
  return sorted.length === 0 ? Number.NaN : sorted[Math.round((sorted.length - 1) * quantile)]!
}

/** Three significant digits, thousands apart. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en', { maximumFractionDigits: Math.min(digits, 3) })
}

export function shownSpread({ median, min, max }: Spread): string {
  return min === max ? shown(median) : `${shown(median)} [${shown(min)} .. ${shown(max)}]`
}
