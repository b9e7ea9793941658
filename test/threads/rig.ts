/** An engine on this machine's disk and threads, and what it tells while its handlers run. Threads run from compiled code only. */

import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { openEngine, type Engine } from '../../dist/index.js'
import type { EngineEvents } from '../../src/model/engine-reports.ts'
import type { ModuleOptions, TaskInput } from '../../src/model/hourwheel.ts'

export const moduleUrl = (name: string): URL => new URL(`./modules/${name}`, import.meta.url)

export type Told = { readonly [name in keyof EngineEvents]: EngineEvents[name][] }

const open: ThreadsRig[] = []

afterEach(async () => {
  for (const rig of open.splice(0)) await rig.remove()
})

export class ThreadsRig {
  readonly directory: string = mkdtempSync(join(realpathSync(tmpdir()), 'hourwheel-'))
  engine!: Engine
  /** All events so far, by name. */
  readonly told: Told = {} as Told
  /** Payloads of the queue `report`, in the order they came. */
  readonly reports: unknown[] = []

  static async open(options: { retryDelay?: string; attempts?: number } = {}): Promise<ThreadsRig> {
    const rig = new ThreadsRig()
    open.push(rig)
    const retry = { attempts: options.attempts ?? 3, delay: options.retryDelay ?? '20ms', jitter: 0 }
    rig.engine = await openEngine({ dir: rig.directory, queues: { work: { retry } } })
    for (const name of ['fired', 'succeeded', 'attemptFailed', 'deadLettered', 'cancelled'] as const) {
      const list: unknown[] = []
      Object.assign(rig.told, { [name]: list })
      rig.engine.on(name, (event: unknown) => void list.push(event))
    }
    await rig.engine.handle('report', ({ payload }) => void rig.reports.push(payload))
    return rig
  }

  handle(
    options: ModuleOptions = { concurrency: 2, threads: 1 },
    module = 'handler.mjs',
  ): Promise<{ stop(): Promise<void> }> {
    return this.engine.handle('work', { module: moduleUrl(module) }, options)
  }

  /** Schedules one task for now. Answers its id. */
  async work(payload: unknown, more: Partial<TaskInput> = {}): Promise<string> {
    const { id } = await this.engine.schedule({ queue: 'work', delay: 0, payload, ...more })
    return id
  }

  /** Schedules tasks that come due together. */
  async workMany(payloads: readonly unknown[]): Promise<string[]> {
    const at = Date.now()
    const receipts = await this.engine.scheduleMany(payloads.map((payload) => ({ queue: 'work', at, payload })))
    return receipts.map(({ id }) => id)
  }

  /** The first thread is there at once, others follow. Answers how many tasks, reports too, have succeeded. */
  async untilThreads(count: number): Promise<number> {
    let made = 0
    await until(async () => {
      await this.workMany(Array.from({ length: 4 }, () => ({ do: 'threadOf', ms: 30 })))
      made += 4
      await until(() => this.told.succeeded.length === 2 * made, 'the reports')
      return new Set(this.reports).size === count
    }, `${count} threads`)
    return this.told.succeeded.length
  }

  errorsOf(id: string): string[] {
    return this.told.attemptFailed.filter((event) => event.id === id).map(({ error }) => error)
  }

  async remove(): Promise<void> {
    await this.engine.close({ drain: 0 })
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Resolves when `isSo`; fails after some time, which a busy machine may need. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string, withinMs = 20_000): Promise<void> {
  const untilMs = Date.now() + withinMs
  while (!(await isSo())) {
    if (Date.now() > untilMs) throw new Error(`not within ${withinMs} ms: ${what}`)
    await sleep(5)
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
