/**
 * `npm run sim -- --seeds N [--from S] [--jobs J]`: simulates one seed after the other in J processes, prints every seed
 * that breaks a rule with its evidence, and a line of sums. Exits with 1 if any did.
 */

import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { simulate } from '../../src/testing/simulator/simulation.ts'
import type { SimulationResult } from '../../src/testing/simulator/simulation-result.ts'

type Message = SimulationResult | { idle: true } | { begun: number } | { seed: number; stray: string }

interface Task {
  readonly from: number
  readonly count: number
}

const progressEveryMs = 20_000
/** A seed takes a second of a core; one that takes longer than this will never end. */
const hangsAfterMs = 300_000

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    worker: { type: 'boolean', default: false },
  },
})

if (values.worker) await work()
else await lead(whole('seeds'), whole('from'), whole('jobs'))

function whole(name: 'seeds' | 'from' | 'jobs'): number {
  const value = Number(values[name])
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new Error(`--${name} must be a whole number, not ${values[name]}`)
}

/** Simulates the seeds that the leader sends, and sends back what came of each. */
async function work(): Promise<void> {
  let seed = 0
  const report = (error: unknown): void => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.send!({ seed, stray: text })
  }
  process.on('uncaughtException', report)
  process.on('unhandledRejection', report)
  for await (const task of messages()) {
    for (seed = task.from; seed < task.from + task.count; seed++) {
      process.send!({ begun: seed })
      process.send!(await simulate({ seed }))
    }
    process.send!({ idle: true })
  }
}

async function* messages(): AsyncGenerator<Task> {
  const waiting: Task[] = []
  let wake = (): void => undefined
  process.on('message', (task: Task) => {
    waiting.push(task)
    wake()
  })
  process.on('disconnect', () => process.exit(0))
  process.send!({ idle: true })
  for (;;) {
    const task = waiting.shift()
    if (task === undefined) await new Promise<void>((resolve) => (wake = resolve))
    else yield task
  }
}

async function lead(seeds: number, from: number, jobs: number): Promise<void> {
  const startedMs = performance.now()
  const sums: Record<string, number> = {}
  let seedsDone = 0
  let failed = 0
  let fewCheckpoints = 0
  let next = from
  let printedMs = startedMs
  const end = from + seeds
  const note = (result: SimulationResult): void => {
    seedsDone++
    for (const [name, count] of Object.entries(result.counts)) sums[name] = (sums[name] ?? 0) + Number(count)
    if (result.counts.checkpoints < 20) fewCheckpoints++
    if (result.violations.length > 0) {
      failed++
      print(result)
    }
    if (performance.now() - printedMs > progressEveryMs) {
      printedMs = performance.now()
      console.error(`${seedsDone} of ${seeds} seeds, ${failed} failed`)
    }
  }
  await Promise.all(
    Array.from(
      { length: jobs },
      () =>
        new Promise<void>((resolve, reject) => {
          const child = fork(fileURLToPath(import.meta.url), ['--worker'], { execArgv: ['--max-old-space-size=512'] })
          let seed = 0
          const hangs = setTimeout(() => {
            failed++
            console.log(`seed ${seed}: still running after ${hangsAfterMs / 1000} s without a turn of the event loop`)
            child.kill('SIGKILL')
          }, hangsAfterMs)
          child.on('message', (message: Message) => {
            // One that was cleared would be set again.
            if (child.connected) hangs.refresh()
            if ('begun' in message) seed = message.begun
            else if ('stray' in message) {
              failed++
              console.log(`seed ${message.seed}: an error that nobody handled\n${message.stray}`)
            } else if (!('idle' in message)) note(message)
            else if (next >= end) child.disconnect()
            else {
              const count = Math.min(10, end - next)
              child.send({ from: next, count })
              next += count
            }
          })
          child.on('error', reject)
          child.on('exit', (code, signal) => {
            clearTimeout(hangs)
            if (code === 0 || signal === 'SIGKILL') resolve()
            else reject(new Error(`worker ended: ${code ?? signal}`))
          })
        }),
    ),
  )
  const tookMs = performance.now() - startedMs
  const crashes = (sums.kills ?? 0) + (sums.powerCuts ?? 0)
  console.log(
    `${seedsDone} seeds, ${crashes} crashes (${sums.powerCuts} power cuts), ${sums.failures} disk failures, ` +
      `${sums.checkpoints} checkpoints (fewer than 20 in ${fewCheckpoints} runs), ${sums.merges} merges, ${sums.backups} backups, ${sums.tasks} tasks, ` +
      `${sums.firings} firings, ${failed} failed seeds; ${(tookMs / 1000).toFixed(1)} s, ` +
      `${((tookMs * jobs) / Math.max(1, seedsDone)).toFixed(0)} ms of a core a seed`,
  )
  process.exitCode = failed > 0 ? 1 : 0
}

function print({ seed, violations, evidence }: SimulationResult): void {
  console.log(`\nseed ${seed}: ${violations.length} violations; again with --from ${seed} --seeds 1`)
  for (const { rule, tag, message } of violations.slice(0, 5)) console.log(`  ${rule} ${tag}: ${message}`)
  console.log(evidence.map((line) => `    ${line}`).join('\n'))
}
