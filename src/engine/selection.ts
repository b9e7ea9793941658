/**
 * The smallest keys of many without sorting all of them: counts into buckets, narrows to the bucket where the wanted
 * number is reached, again until few enough are left. Pure; keys are (orderAt, id), compared in that order.
 */

const bucketCount = 1024

/** An instant and id such that about `wanted` of the `count` keys are at or below it; all of them when that is fewer. */
export function cutFor(
  orderAts: Float64Array,
  ids: Float64Array,
  count: number,
  wanted: number,
): { orderAt: number; id: number } {
  if (count <= wanted) return { orderAt: Infinity, id: Infinity }
  const byTime = narrow(orderAts, count, wanted, undefined, 0)
  if (byTime.below + byTime.inside <= wanted * 2) return { orderAt: byTime.to, id: Infinity }
  // Very many share one instant: the id decides.
  const byId = narrow(ids, count, wanted - byTime.below, orderAts, byTime.to)
  return { orderAt: byTime.to, id: byId.to }
}

/** Narrows until the bucket where `wanted` is reached spans one whole number or holds few keys. */
function narrow(
  values: Float64Array,
  count: number,
  wanted: number,
  only: Float64Array | undefined,
  onlyValue: number,
): { to: number; below: number; inside: number } {
  let from = Infinity
  let to = -Infinity
  for (let i = 0; i < count; i++) {
    if (only !== undefined && only[i] !== onlyValue) continue
    const value = values[i]!
    if (value < from) from = value
    if (value > to) to = value
  }
  let below = 0
  for (;;) {
    const width = Math.max(1, Math.ceil((to - from + 1) / bucketCount))
    const counts = new Uint32Array(bucketCount)
    for (let i = 0; i < count; i++) {
      if (only !== undefined && only[i] !== onlyValue) continue
      const value = values[i]!
      if (value >= from && value <= to) counts[Math.floor((value - from) / width)]!++
    }
    let bucket = 0
    while (bucket < bucketCount - 1 && below + counts[bucket]! < wanted) below += counts[bucket++]!
    const inside = counts[bucket]!
    const bucketTo = Math.min(to, from + (bucket + 1) * width - 1)
    if (width === 1 || below + inside <= wanted * 2) return { to: bucketTo, below, inside }
    from += bucket * width
    to = bucketTo
  }
}
