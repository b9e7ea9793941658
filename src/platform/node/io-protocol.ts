/** What the two sides of an I/O thread send each other: arrays of commands, arrays of their answers in the same order. */

import type { MessagePort } from 'node:worker_threads'

export interface IoWorkerData {
  readonly port: MessagePort
  /** Counts messages: the worker sleeps until it changes. */
  readonly wake: Int32Array
}

/** A call of a file, without what the file adds. */
export type FileCall =
  | { readonly operation: 'read' | 'write'; readonly bytes: Uint8Array; readonly at: number }
  | { readonly operation: 'truncate'; readonly at: number }
  | { readonly operation: 'size' | 'sync' }

export type IoCommand = FileCall & {
  readonly fd: number
  /** Counts the calls of the file that have returned, syncs not among them. */
  readonly progress: Int32Array
  /** To begin once `progress` is there. */
  readonly after: number
}

export type IoAnswer =
  number | { readonly code: string; readonly message: string; readonly syscall: string | undefined }
