/**
 * Threads with handlers, each a pool of piscina with one thread: so it is known which thread has what, and one of them can be
 * ended without the others. An idle thread does not keep the process running, one with work does.
 *
 * The answer to a call comes through the pool; what a thread says unasked comes through a port of its own, which is read to
 * its end before an answer, or the thread's death, is told.
 */

import * as os from 'node:os'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { resultOf, type JobOutcome } from '../jobs.ts'
import type { HandlerThread, HandlerThreads, ThreadLimits, ThreadListener } from '../ports.ts'
import type { HandlerWorkerData, StartMessage } from './handler-worker.ts'

/** A module that takes longer to load is refused. */
const loadMsMax = 30_000

export interface NodeHandlerThreads extends HandlerThreads {
  /** Ends all threads. */
  close(): Promise<void>
}

/** `runnerModule`: a compiled module that exports `createRunner`; without one, no thread starts. */
export function createNodeHandlerThreads(runnerModule: URL | undefined): NodeHandlerThreads {
  const threads = new Set<NodeHandlerThread>()
  let closed = false
  return {
    cores: os.availableParallelism(),
    async start(module, setup, limits, listener): Promise<HandlerThread> {
      if (closed || runnerModule === undefined) throw new Error('no threads are started here any more')
      const thread = new NodeHandlerThread(runnerModule, limits, listener)
      threads.add(thread)
      void thread.ended.then(() => threads.delete(thread))
      await thread.load(module, setup)
      return thread
    },
    async close(): Promise<void> {
      closed = true
      await Promise.all([...threads].map((thread) => thread.terminate()))
    },
  }
}

class NodeHandlerThread implements HandlerThread {
  isAlive = true
  /** Resolves, with the reason, when nothing of the thread runs any more. */
  readonly ended: Promise<string>
  readonly #pool: Piscina<unknown, unknown>
  readonly #channel = new MessageChannel()
  readonly #listener: ThreadListener
  #reason: string | undefined
  #loaded = false

  constructor(runnerModule: URL, limits: ThreadLimits, listener: ThreadListener) {
    this.#listener = listener
    const workerData: HandlerWorkerData = { runnerModule: runnerModule.href }
    this.#pool = new Piscina({
      filename: new URL('./handler-worker.js', import.meta.url).href,
      minThreads: 1,
      maxThreads: 1,
      // The runner decides how many run at once.
      concurrentTasksPerWorker: 2 ** 30,
      workerData,
      // Handlers wait for their I/O: the thread must not block until the next message.
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: givenOf(limits),
      // The parent's flags hold in the thread, such as loaders; but this one is refused together with a file.
      ...(process.execArgv.some((flag) => flag.startsWith('--input-type')) ? { execArgv: [] } : {}),
    })
    // What an idle thread dies of is heard below.
    this.#pool.on('error', () => undefined)
    const worker = this.#pool.threads[0]!
    worker.on('error', (error: unknown) => {
      this.isAlive = false
      this.#reason ??= reasonOf(error)
    })
    this.ended = new Promise((resolve) => {
      worker.on('exit', (code) => {
        this.isAlive = false
        this.#reason ??= `it ended itself with code ${code}, as process.exit() does`
        this.#hear()
        this.#channel.port1.close()
        if (this.#loaded) this.#listener.died(this.#reason)
        // The pool has started another thread in its place.
        void this.#pool.destroy()
        resolve(this.#reason)
      })
    })
    this.#channel.port1.on('message', (message) => this.#listener.said(message))
    this.#channel.port1.unref()
  }

  async load(module: string, setup: unknown): Promise<void> {
    const { port2: port } = this.#channel
    const message: StartMessage = { start: { module, setup, port } }
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`it was not loaded within ${loadMsMax / 1_000} s`)), loadMsMax)
    })
    try {
      const answer = this.#pool.run(message, { transferList: [port] })
      // A thread that dies tells more than the pool does.
      const outcome = await Promise.race([answer.catch(() => this.ended.then(toError)), tooLong])
      if (outcome !== undefined) resultOf(outcome as JobOutcome)
      this.#loaded = true
    } catch (error) {
      await this.terminate()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async call(message: unknown): Promise<unknown> {
    if (!this.isAlive) throw new Error('the thread has died')
    const answer = await this.#pool.run(message)
    this.#hear()
    return answer
  }

  async terminate(): Promise<void> {
    this.isAlive = false
    this.#reason ??= 'it was ended'
    void this.#pool.destroy()
    await this.ended
  }

  #hear(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#channel.port1)
      if (received === undefined) return
      this.#listener.said(received.message)
    }
  }
}

function reasonOf(error: unknown): string {
  const { code, name, message } = error as { code?: unknown; name?: unknown; message?: unknown }
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return `it ran out of memory (${String(message)})`
  if (error instanceof Error)
    return `an error was thrown outside of any handler's promise: ${error.name}: ${error.message}`
  return `something was thrown outside of any handler's promise: ${String(message ?? name ?? error)}`
}

function toError(reason: string): never {
  throw new Error(`its thread died: ${reason}`)
}

/** Piscina hands undefined limits on to Node, which refuses them. */
function givenOf(limits: ThreadLimits): Record<string, number> {
  const given = Object.entries(limits).filter((entry): entry is [string, number] => entry[1] !== undefined)
  return Object.fromEntries(given)
}
