/**
 * How many requests were answered and how long they took, by route: counted in typed arrays, since prom-client's own histogram costs
 * as much as the rest of a small request, and written in Prometheus' text format when asked for.
 */

import type { RouteName } from '../protocol/routes.ts'

const bucketsSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30]
const bucketsMs = Float64Array.from(bucketsSeconds, (seconds) => seconds * 1_000)

export class RouteTimes {
  /** By hundreds of the status. */
  readonly answers: Float64Array = new Float64Array(6)
  /** Not yet summed up; the last one is beyond all bounds. */
  readonly buckets: Float64Array = new Float64Array(bucketsMs.length + 1)
  sumMs = 0

  /** An answer has been sent. */
  add(status: number, tookMs: number): void {
    let bucket = 0
    while (bucket < bucketsMs.length && tookMs > bucketsMs[bucket]!) bucket++
    this.buckets[bucket]!++
    this.answers[(status / 100) | 0]!++
    this.sumMs += tookMs
  }
}

export class RequestTimes {
  readonly #routes: Map<string, RouteTimes> = new Map()

  of(name: RouteName | 'none'): RouteTimes {
    let times = this.#routes.get(name)
    if (times === undefined) {
      times = new RouteTimes()
      this.#routes.set(name, times)
    }
    return times
  }

  text(): string {
    const lines = [
      '# HELP hourwheel_http_requests_total Requests answered, by route and class of status',
      '# TYPE hourwheel_http_requests_total counter',
    ]
    for (const [route, { answers }] of this.#routes) {
      for (const [hundreds, count] of answers.entries()) {
        if (count > 0) lines.push(`hourwheel_http_requests_total{route="${route}",status="${hundreds}xx"} ${count}`)
      }
    }
    const name = 'hourwheel_http_request_seconds'
    lines.push(
      `# HELP ${name} From the head of a request to its answer, by route; waiting for tasks is included`,
      `# TYPE ${name} histogram`,
    )
    for (const [route, { answers, buckets, sumMs }] of this.#routes) {
      if (!answers.some((count) => count > 0)) continue
      let count = 0
      for (const [index, inBucket] of buckets.entries()) {
        count += inBucket
        lines.push(`${name}_bucket{route="${route}",le="${bucketsSeconds[index] ?? '+Inf'}"} ${count}`)
      }
      lines.push(`${name}_sum{route="${route}"} ${sumMs / 1_000}`, `${name}_count{route="${route}"} ${count}`)
    }
    return `${lines.join('\n')}\n`
  }
}
