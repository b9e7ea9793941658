/** One life of a worker: started, heard line by line, and ended by itself, by SIGKILL, or by what the caller does to it. */

import { spawn } from 'node:child_process'
import type { Checker } from './checker.ts'
import type { Plan } from './lines.ts'

export interface LifeOptions {
  readonly plan: Plan
  readonly checker: Checker
  readonly random: () => number
  /** SIGKILL so long after the start of the process, or after its scan. */
  readonly kill?: { readonly after: 'start' | 'ready'; readonly ms: number }
  /** What the worker is run under, such as `strace ...`. */
  readonly under?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Called once the load has begun. */
  readonly ready?: (life: RunningLife) => void | Promise<void>
  readonly timeoutMs?: number
}

export interface RunningLife {
  readonly pid: number
  /** SIGKILL. */
  kill(): void
  /** From now on nothing is heard, until `listen`. */
  turnAway(): void
  listen(): void
}

export interface Life {
  readonly pid: number
  readonly killed: boolean
  readonly wasReady: boolean
  readonly code: number | null
  /** That ended it, by whomever it was sent. */
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

/** From the root of the repository, where all programs run: compiled copies of this file lie elsewhere. */
const workerPath = 'test/kill/worker.mjs'

export async function live(options: LifeOptions): Promise<Life> {
  const { plan, checker, random, kill, under = [], env = {} } = options
  checker.born()
  const command = [...under, process.execPath, workerPath, JSON.stringify(plan)]
  const child = spawn(command[0]!, command.slice(1), { env: { ...process.env, ...env }, stdio: 'pipe' })
  let pid = child.pid!
  let killed = false
  let wasReady = false
  let stderr = ''
  let rest = ''
  let trouble: unknown
  const timers: NodeJS.Timeout[] = []
  const end = (): void => {
    killed = true
    kill9(pid)
    // What it runs under would let it go if it died first.
    if (pid !== child.pid) timers.push(setTimeout(() => child.kill('SIGKILL'), 2_000))
  }
  const endAfter = (ms: number): void => {
    timers.push(
      setTimeout(() => {
        const until = performance.now() + (ms % 1)
        while (performance.now() < until);
        end()
      }, ms),
    )
  }
  timers.push(
    setTimeout(() => {
      checker.violate(`the worker hangs, ${wasReady ? 'after' : 'before'} its scan`)
      end()
    }, options.timeoutMs ?? 30_000),
  )
  if (kill?.after === 'start') endAfter(kill.ms)

  const hear = (text: string): void => {
    checker.hear(text)
    const what = /^\{"t":"(born|scanned|ready)"/u.exec(text)?.[1]
    if (what === 'born') pid = (JSON.parse(text) as { pid: number }).pid
    if (what === 'scanned') child.stdin.write(`${JSON.stringify(checker.known(random))}\n`)
    if (what !== 'ready') return
    wasReady = true
    if (kill?.after === 'ready') endAfter(kill.ms)
    const { ready } = options
    if (ready === undefined) return
    const running = { pid, kill: end, turnAway: () => child.stdout.pause(), listen: () => child.stdout.resume() }
    Promise.resolve(ready(running)).catch((error: unknown) => {
      trouble = error
      end()
      running.listen()
    })
  }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    try {
      for (const line of lines) hear(line)
    } catch (error) {
      trouble ??= error
      end()
    }
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  // It may be gone before it reads.
  child.stdin.on('error', () => undefined)
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (...end) => resolve(end))
  })
  for (const timer of timers) clearTimeout(timer)
  // oxlint-disable-next-line typescript/only-throw-error
  if (trouble !== undefined) throw trouble
  checker.gone(killed || checker.end?.reason !== 'closed')
  return { pid, signal, killed, wasReady, code, stderr }
}

function kill9(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** What must hold of a life that nobody disturbed: it opened, closed in order and ended by itself. */
export function judgeOrderly(checker: Checker, life: Life): void {
  const { end } = checker
  if (end?.reason === 'refused') checker.violate(`open refused: ${end.code}: ${end.message}`)
  else if (checker.gaveUp !== undefined && end?.reason !== 'failed') {
    checker.violate(`without a fault, a call failed with ${checker.gaveUp}`)
  } else if (!life.killed && end?.reason !== 'closed') {
    checker.violate(`the engine stopped by itself: ${end?.reason} ${end?.code} ${end?.message}`)
  }
  if (!life.killed && life.code !== 0) checker.violate(`the worker ended with ${life.code ?? life.signal}`)
  if (life.stderr !== '') checker.violate(`the worker complains: ${life.stderr}`)
}
