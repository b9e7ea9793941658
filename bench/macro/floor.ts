/**
 * The floor: what a durable timer cannot do without, and nothing else, through the same means as the engine.
 *
 * `schedule` encodes the same record of fixed shape, puts it into a frame (header, two checksums), has the frame written
 * and synced by a thread of its own, and resolves one promise a call. Calls that come while a frame is under way go into
 * the next one. `lease` and `end` append the two records of an attempt.
 *
 * It checks nothing, keeps nothing (no wheel, index, ledger or counters), never checkpoints, and writes round and round
 * in one file that was filled with zeros before. It is no timer engine, and could not be recovered.
 */

import { once } from 'node:events'
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { crc32 } from 'node:zlib'
import { cell, cellsPerRequest, requestCells, requestsMax, type FloorThreadData } from './floor-thread.ts'
import type { ScheduledTask } from './loads.ts'

const fileBytes = 64 << 20
const bufferBytes = 32 << 20
const frameHeaderBytes = 64
/** A frame of this size goes off although another is under way, as in the engine. */
const dispatchBytes = 256 << 10
const hourMs = 3_600_000
const seed = 0x5eed

interface Settling {
  readonly request: number
  readonly settle: (() => void)[]
}

export class Floor {
  readonly #worker: Worker
  readonly #control: Int32Array
  readonly #buffer: Buffer
  readonly #view: DataView
  /** While requests are under way, this keeps the process from ending: waiting for an atomic does not. */
  readonly #keepAlive: NodeJS.Timeout
  #frameAt = 0
  #at = frameHeaderBytes
  #count = 0
  #fileAt = 0
  #ordinal = 0
  #frameNumber = 0
  #crc = 0
  #requests = 0
  #done = 0
  #scheduled = false
  #watching = false
  #settle: (() => void)[] = []
  readonly #settling: Settling[] = []
  readonly #sync: boolean

  static async open(file: string, options: { sync: boolean }): Promise<Floor> {
    const handle = openSync(file, 'wx')
    const zeros = Buffer.alloc(1 << 20)
    for (let at = 0; at < fileBytes; at += zeros.length) writeSync(handle, zeros, 0, zeros.length, at)
    fsyncSync(handle)
    closeSync(handle)
    const data: FloorThreadData = {
      file,
      control: new SharedArrayBuffer(4 * (requestCells + requestsMax * cellsPerRequest)),
      bytes: new SharedArrayBuffer(bufferBytes),
    }
    const worker = new Worker(new URL('./floor-thread.js', import.meta.url), { workerData: data })
    await once(worker, 'online')
    return new Floor(worker, data, options.sync)
  }

  private constructor(worker: Worker, data: FloorThreadData, sync: boolean) {
    this.#worker = worker
    this.#control = new Int32Array(data.control)
    this.#buffer = Buffer.from(data.bytes)
    this.#view = new DataView(data.bytes)
    this.#sync = sync
    this.#keepAlive = setInterval(() => {}, 1_000)
  }

  schedule(task: ScheduledTask): Promise<number> {
    this.#encode(task)
    return this.#whenDone(this.#ordinal)
  }

  scheduleMany(tasks: readonly ScheduledTask[]): Promise<number> {
    for (const task of tasks) this.#encode(task)
    return this.#whenDone(this.#ordinal)
  }

  /** Appends a lease; `written` is called once it is in the file. */
  lease(fireAt: number, ordinal: number, written: () => void): void {
    const at = this.#begin(32, 0x96, 3)
    let end = this.#hourAndOrdinal(at, fireAt, ordinal)
    end = this.#uint32(end, ordinal)
    this.#buffer[end] = 0
    this.#end(at, end + 1)
    this.#settle.push(written)
  }

  /** Appends the end of an attempt; nobody waits for it. */
  end(fireAt: number, ordinal: number): void {
    const at = this.#begin(32, 0x97, 4)
    const bytes = this.#buffer
    bytes[at + 2] = 1
    bytes[at + 3] = 1
    let end = this.#hourAndOrdinal(at + 2, fireAt, ordinal)
    end = this.#uint32(end, Math.floor(fireAt / hourMs))
    this.#end(at, end)
  }

  /** Everything appended is synced when it resolves. */
  async close(): Promise<void> {
    while (this.#count > 0 || this.#done < this.#requests) await new Promise((resolve) => setTimeout(resolve, 1))
    this.#request(0, 0, 0, true)
    while (this.#done < this.#requests) await new Promise((resolve) => setTimeout(resolve, 1))
    Atomics.store(this.#control, cell.requested, -1)
    Atomics.notify(this.#control, cell.requested)
    await once(this.#worker, 'exit')
    clearInterval(this.#keepAlive)
  }

  #whenDone(value: number): Promise<number> {
    return new Promise((resolve) => {
      this.#settle.push(() => resolve(value))
    })
  }

  #encode({ at: fireAt, payload }: ScheduledTask): void {
    const text = JSON.stringify(payload)
    const at = this.#begin(64 + text.length * 3, 0x98, 1)
    const bytes = this.#buffer
    let end = this.#hourAndOrdinal(at, fireAt, ++this.#ordinal)
    bytes[end] = 0xcb
    this.#view.setFloat64(end + 1, fireAt)
    bytes[end + 9] = 1
    bytes[end + 10] = 0xc5
    const length = bytes.write(text, end + 13, 'utf8')
    bytes[end + 11] = length >>> 8
    bytes[end + 12] = length
    end += 13 + length
    bytes[end] = 0xc0
    this.#end(at, end + 1)
  }

  #begin(bytesMax: number, array: number, kind: number): number {
    if (this.#at + 4 + bytesMax > bufferBytes - 8) this.#dispatch()
    const at = this.#at + 4
    this.#buffer[at] = array
    this.#buffer[at + 1] = kind
    return at
  }

  #hourAndOrdinal(at: number, fireAt: number, ordinal: number): number {
    let end = this.#uint32(at + 2, Math.floor(fireAt / hourMs))
    end = this.#uint32(end, ordinal)
    this.#buffer[end] = 0xcd
    this.#buffer[end + 1] = 0
    this.#buffer[end + 2] = 1
    return end + 3
  }

  #uint32(at: number, value: number): number {
    this.#buffer[at] = 0xce
    this.#view.setUint32(at + 1, value)
    return at + 5
  }

  #end(at: number, end: number): void {
    this.#view.setUint32(this.#at, end - at, true)
    this.#at = end
    this.#count++
    if (this.#requests === this.#done) this.#dispatchSoon()
    else if (end - this.#frameAt >= dispatchBytes && this.#requests - this.#done < requestsMax - 1) this.#dispatch()
  }

  #dispatchSoon(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (this.#requests === this.#done) this.#dispatch()
    })
  }

  #dispatch(): void {
    if (this.#count === 0) return
    const start = this.#frameAt
    const end = start + Math.ceil((this.#at - start) / 8) * 8
    const view = this.#view
    this.#buffer.fill(0, this.#at, end)
    view.setUint32(start, 0x72_66_57_48, true)
    view.setUint32(start + 4, this.#at - start - frameHeaderBytes, true)
    view.setUint32(start + 8, ++this.#frameNumber, true)
    view.setUint32(start + 24, this.#ordinal, true)
    view.setUint32(start + 32, this.#count, true)
    view.setUint32(start + 36, this.#crc, true)
    view.setFloat64(start + 40, Date.now(), true)
    view.setUint32(start + 48, crc32(this.#buffer.subarray(start + frameHeaderBytes, end), seed), true)
    this.#crc = crc32(this.#buffer.subarray(start, start + 60), seed)
    view.setUint32(start + 60, this.#crc, true)
    if (this.#fileAt + end - start > fileBytes) this.#fileAt = 0
    this.#request(start, end - start, this.#fileAt, this.#sync)
    this.#fileAt += end - start
    // The buffer is far larger than what can be under way: its start is free again when its end is reached.
    this.#frameAt = end + (1 << 20) > bufferBytes ? 0 : end
    this.#at = this.#frameAt + frameHeaderBytes
    this.#count = 0
  }

  #request(start: number, bytes: number, fileAt: number, sync: boolean): void {
    const control = this.#control
    if (this.#requests - this.#done >= requestsMax) throw new Error('more is under way than the floor is made for')
    this.#settling.push({ request: ++this.#requests, settle: this.#settle })
    this.#settle = []
    const cells = requestCells + (this.#requests % requestsMax) * cellsPerRequest
    control[cells] = start
    control[cells + 1] = bytes
    control[cells + 2] = fileAt
    control[cells + 3] = sync ? 1 : 0
    Atomics.store(control, cell.requested, this.#requests)
    Atomics.notify(control, cell.requested)
    if (!this.#watching) void this.#watch()
  }

  async #watch(): Promise<void> {
    this.#watching = true
    while (this.#done < this.#requests) {
      const wait = waitAsync(this.#control, cell.done, this.#done)
      if (wait.async) await wait.value
      this.#done = Atomics.load(this.#control, cell.done)
      while (this.#settling.length > 0 && this.#settling[0]!.request <= this.#done) {
        for (const settle of this.#settling.shift()!.settle) settle()
      }
      // What came meanwhile, or comes in the continuations of what was just settled, goes into one frame.
      if (this.#requests === this.#done && this.#count > 0) this.#dispatchSoon()
    }
    this.#watching = false
  }
}

interface AsyncWait {
  readonly async: boolean
  readonly value: Promise<string> | string
}

/** Known to every Node that is supported, but not yet to the library that TypeScript is told of here. */
const { waitAsync } = Atomics as unknown as {
  waitAsync: (cells: Int32Array, at: number, value: number) => AsyncWait
}
