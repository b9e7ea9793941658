/** The floor's disk thread: writes frames from shared memory with blocking calls, in order, and syncs when told to. */

import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'

export interface FloorThreadData {
  readonly file: string
  readonly control: SharedArrayBuffer
  readonly bytes: SharedArrayBuffer
}

/** Cells of the control block: how many requests were made (-1: end), and how many are done. */
export const cell = { requested: 0, done: 1 } as const
/** The requests, round and round: start in memory, bytes, start in the file, whether to sync. */
export const requestCells = 4
export const cellsPerRequest = 4
export const requestsMax = 8

function serve({ file, control, bytes }: FloorThreadData): void {
  const cells = new Int32Array(control)
  const buffer = Buffer.from(bytes)
  const handle = openSync(file, 'r+')
  let done = 0
  for (;;) {
    Atomics.wait(cells, cell.requested, done)
    const requested = Atomics.load(cells, cell.requested)
    if (requested < 0) return
    let sync = false
    while (done < requested) {
      done++
      const at = requestCells + (done % requestsMax) * cellsPerRequest
      const start = cells[at]!
      const length = cells[at + 1]!
      const fileAt = cells[at + 2]!
      if (length > 0 && writeSync(handle, buffer, start, length, fileAt) !== length) throw new Error('short write')
      sync ||= cells[at + 3] === 1
    }
    if (sync) fdatasyncSync(handle)
    Atomics.store(cells, cell.done, done)
    Atomics.notify(cells, cell.done)
  }
}

if (workerData !== null) serve(workerData as FloorThreadData)
