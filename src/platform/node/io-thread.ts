/**
 * Files whose calls run in threads of their own, with blocking system calls, out of reach of whatever fills the thread
 * pool of Node.
 *
 * A file has two threads and uses one of them, until that has a sync to do: then the next calls go to the other, so that
 * a write is not queued behind a running sync. Every call, a sync too, begins once all calls made before it have
 * returned that are not syncs; the threads agree on that by a shared counter, without this thread. When a file is
 * closed, its threads wait for the next one.
 *
 * Invariants
 * - Calls made in one turn travel in one message per thread; shared memory travels by reference, other bytes as a copy.
 * - Outstanding calls keep the process running, idle threads do not.
 * - The death of a thread fails its file's calls, all later ones too, with THREAD_DIED: whether they were carried out
 *   is unknown.
 */

import type { FileHandle } from 'node:fs/promises'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { DiskFile } from '../ports.ts'
import type { FileCall, IoAnswer, IoCommand, IoWorkerData } from './io-protocol.ts'

/** Threads kept for the next file. */
const idleThreadsMax = 2

export interface IoThreads {
  /** A file over an open handle, which it owns from now on. */
  adopt(path: string, handle: FileHandle): DiskFile
  /** Ends all threads after the calls already made. */
  close(): Promise<void>
}

export function createIoThreads(): IoThreads {
  const idle: IoThread[] = []
  const threads = new Set<IoThread>()
  let closed = false

  function take(): IoThread {
    const found = idle.pop()
    if (found !== undefined) return found
    const thread = new IoThread(() => {
      threads.delete(thread)
      const at = idle.indexOf(thread)
      if (at >= 0) idle.splice(at, 1)
    })
    threads.add(thread)
    return thread
  }

  function give(thread: IoThread): void {
    if (thread.dead !== undefined) return
    if (closed || idle.length >= idleThreadsMax) void thread.end()
    else idle.push(thread)
  }

  return {
    adopt(path: string, handle: FileHandle): DiskFile {
      if (closed) throw codeError('EBADF', `the disk is closed, ${path}`)
      return new ThreadFile(path, handle, take(), take(), give)
    },
    async close(): Promise<void> {
      closed = true
      await Promise.all([...threads].map((thread) => thread.end()))
    },
  }
}

interface Waiting {
  readonly isSync: boolean
  readonly resolve: (answer: number) => void
  readonly reject: (error: Error) => void
}

class IoThread {
  /** Why it answers no more. */
  dead: Error | undefined
  syncsOutstanding = 0
  readonly #worker: Worker
  readonly #port: MessagePort
  readonly #wake = new Int32Array(new SharedArrayBuffer(4))
  /** In the order of the calls, which is that of the answers. */
  #waiting: Waiting[] = []
  #answered = 0
  #unsent: IoCommand[] = []
  readonly #exited: Promise<void>

  constructor(gone: () => void) {
    const { port1, port2 } = new MessageChannel()
    const data: IoWorkerData = { port: port2, wake: this.#wake }
    this.#port = port1
    this.#worker = new Worker(new URL('./io-worker.js', import.meta.url), {
      workerData: data,
      transferList: [port2],
      // Not the parent's loaders and inspectors: it only makes system calls.
      execArgv: [],
      name: 'hourwheel-io',
    })
    this.#worker.unref()
    port1.on('message', (answers: IoAnswer[]) => this.#settle(answers))
    port1.unref()
    let cause: unknown
    this.#worker.on('error', (error) => {
      cause = error
    })
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        gone()
        this.#die(cause)
        resolve()
      })
    })
  }

  call(command: IoCommand): Promise<number> {
    if (this.dead !== undefined) return Promise.reject(this.dead)
    if (this.#unsent.push(command) === 1) queueMicrotask(() => this.#send())
    if (this.#waiting.length === this.#answered) {
      this.#port.ref()
      // Also the worker, so that its death is heard of.
      this.#worker.ref()
    }
    const isSync = command.operation === 'sync'
    if (isSync) this.syncsOutstanding++
    return new Promise((resolve, reject) => this.#waiting.push({ isSync, resolve, reject }))
  }

  /** Ends the thread after the calls already made; resolves once it is gone. */
  end(): Promise<void> {
    this.#send()
    this.dead ??= codeError('EBADF', 'the I/O thread was ended')
    this.#worker.ref()
    this.#post(null)
    return this.#exited
  }

  kill(): void {
    void this.#worker.terminate()
  }

  #send(): void {
    if (this.#unsent.length === 0) return
    const commands = this.#unsent
    this.#unsent = []
    this.#post(commands)
  }

  #post(message: IoCommand[] | null): void {
    this.#port.postMessage(message)
    Atomics.add(this.#wake, 0, 1)
    Atomics.notify(this.#wake, 0)
  }

  #settle(answers: IoAnswer[]): void {
    for (const answer of answers) {
      const { isSync, resolve, reject } = this.#waiting[this.#answered++]!
      if (isSync) this.syncsOutstanding--
      if (typeof answer === 'number') resolve(answer)
      else reject(codeError(answer.code, answer.message, answer.syscall))
    }
    if (this.#answered < this.#waiting.length) return
    this.#waiting = []
    this.#answered = 0
    this.#port.unref()
    if (this.dead === undefined) this.#worker.unref()
  }

  #die(cause: unknown): void {
    // Answers sent before the end may not have been delivered yet.
    for (;;) {
      const received = receiveMessageOnPort(this.#port)
      if (received === undefined) break
      this.#settle(received.message as IoAnswer[])
    }
    const left = this.#waiting.slice(this.#answered)
    this.#port.close()
    const died = codeError('THREAD_DIED', `the I/O thread died${cause instanceof Error ? `: ${cause.message}` : ''}`)
    this.dead ??= died
    this.#waiting = []
    this.#answered = 0
    for (const { reject } of left) reject(died)
  }
}

class ThreadFile implements DiskFile {
  readonly path: string
  readonly #handle: FileHandle
  #current: IoThread
  #other: IoThread
  readonly #give: (thread: IoThread) => void
  readonly #progress = new Int32Array(new SharedArrayBuffer(4))
  /** Calls made that are not syncs; wraps as the counter in `progress` does. */
  #made = 0
  #outstanding = 0
  #idle: (() => void) | undefined
  #closed = false

  constructor(path: string, handle: FileHandle, first: IoThread, second: IoThread, give: (thread: IoThread) => void) {
    this.path = path
    this.#handle = handle
    this.#current = first
    this.#other = second
    this.#give = give
  }

  async read(into: Uint8Array, at: number): Promise<number> {
    const shared = into.buffer instanceof SharedArrayBuffer
    const bytes = shared ? into : new Uint8Array(new SharedArrayBuffer(into.length))
    const count = await this.#call({ operation: 'read', bytes, at })
    if (!shared) into.set(bytes.subarray(0, count))
    return count
  }

  write(from: Uint8Array, at: number): Promise<number> {
    // A view into a larger buffer would travel with all of it.
    const bytes = from.buffer instanceof SharedArrayBuffer ? from : from.slice()
    return this.#call({ operation: 'write', bytes, at })
  }

  async sync(): Promise<void> {
    await this.#call({ operation: 'sync' })
  }

  async truncate(bytes: number): Promise<void> {
    await this.#call({ operation: 'truncate', at: bytes })
  }

  size(): Promise<number> {
    return this.#call({ operation: 'size' })
  }

  async close(): Promise<void> {
    if (this.#closed) throw codeError('EBADF', `closed already, ${this.path}`)
    this.#closed = true
    if (this.#outstanding > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
    this.#give(this.#other)
    this.#give(this.#current)
    await this.#handle.close()
  }

  #call(call: FileCall): Promise<number> {
    if (this.#closed) return Promise.reject(codeError('EBADF', `closed, ${this.path}`))
    const after = this.#made
    if (call.operation !== 'sync') this.#made = (this.#made + 1) | 0
    if (this.#current.syncsOutstanding > this.#other.syncsOutstanding) {
      const busy = this.#current
      this.#current = this.#other
      this.#other = busy
    }
    this.#outstanding++
    const answer = this.#current.call({ ...call, fd: this.#handle.fd, after, progress: this.#progress })
    answer.then(this.#settled, this.#failed)
    return answer
  }

  readonly #settled = (): void => {
    if (--this.#outstanding === 0) this.#idle?.()
  }

  readonly #failed = (error: unknown): void => {
    // One thread without the other could wait for it for ever.
    if ((error as NodeJS.ErrnoException).code === 'THREAD_DIED') {
      this.#current.kill()
      this.#other.kill()
    }
    this.#settled()
  }
}

function codeError(code: string, message: string, syscall?: string): Error {
  return Object.assign(new Error(message), { code, ...(syscall === undefined ? {} : { syscall }) })
}
