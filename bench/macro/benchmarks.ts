/** All benchmarks of the whole engine, by the name they are called with. */

import { backlog } from './backlog.ts'
import type { Benchmark } from './benchmark.ts'
import { far } from './far.ts'
import { fire } from './fire.ts'
import { http } from './http.ts'
import { memory } from './memory.ts'
import { schedule } from './schedule.ts'
import { storm } from './storm.ts'
import { threadsBenchmark } from './threads.ts'
import { verifyBenchmark } from './verify.ts'
import { webhooks } from './webhooks.ts'

export const benchmarks: Readonly<Record<string, Benchmark>> = {
  schedule,
  fire,
  memory,
  far,
  storm,
  backlog,
  threads: threadsBenchmark,
  verify: verifyBenchmark,
  http,
  webhooks,
}
