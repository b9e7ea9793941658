/**
 * Everything the engine needs from the world: time, disk, randomness, background work, the directory lock.
 *
 * The engine reaches the outside only through these interfaces, so that the whole of it runs unchanged in a
 * deterministic simulation. `platform/node` holds the real ones, `testing/` their simulated twins.
 */

/** A timer that was set and may be cleared. */
export type TimerHandle = object

export interface Clock {
  /** UTC epoch milliseconds, whole. May step either way at any moment. Says *when*. */
  wallMs(): number
  /** Milliseconds since an arbitrary start, fractional, never decreasing. Says *how long*. */
  monotonicMs(): number
  /** Calls `run` once, not before `afterMs` (0 to 1000, see `sleepMsMax`) have passed on the monotonic clock. */
  setTimer(afterMs: number, run: () => void): TimerHandle
  /** Longest timer, and how long the engine may go without a look at the clock, where that is not 1000. */
  readonly sleepMsMax?: number | undefined
  clearTimer(timer: TimerHandle): void
  /** Calls `run` in the next turn of the event loop, after pending I/O. */
  soon(run: () => void): void
}

export interface Random {
  /** Uniform in [0, 1). For jitter. */
  unit(): number
  /** `count` unpredictable bytes. For file ids. */
  bytes(count: number): Uint8Array
}

/** `read` an existing file; `create` a new one (fails with EEXIST); `write` an existing one, for reading too. */
export type FileAccess = 'read' | 'create' | 'write'

export interface OpenOptions {
  /**
   * Run this file's calls in a thread of its own with blocking system calls, in the order they were made. Bytes
   * handed to `write` must then stay unchanged until it settles; SharedArrayBuffer-backed ones travel without a copy.
   */
  dedicatedThread?: boolean | undefined
}

/**
 * One open file. Every call rejects with an Error that has a `code` such as 'EIO' or 'ENOSPC'. Calls of one file are
 * carried out in the order they were made, and may be made without waiting for the one before.
 */
export interface DiskFile {
  readonly path: string
  /** Reads up to `into.length` bytes at `at`; resolves to how many, 0 only at the end of the file. May be short. */
  read(into: Uint8Array, at: number): Promise<number>
  /** Writes up to `from.length` bytes at `at`; resolves to how many. May be short. */
  write(from: Uint8Array, at: number): Promise<number>
  /** fdatasync. After a rejection the state of earlier writes is unknown for ever: never call it again. */
  sync(): Promise<void>
  truncate(bytes: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

/** A file system. Paths are absolute. Directory operations are durable only after `syncDirectory` of their parent. */
export interface Disk {
  open(path: string, access: FileAccess, options?: OpenOptions): Promise<DiskFile>
  /** Names in a directory, sorted. */
  list(directory: string): Promise<string[]>
  /** Creates a directory with mode 0700 and its missing parents; no error if it is there. */
  makeDirectory(directory: string): Promise<void>
  /** What is at `path`, or undefined. */
  stat(
    path: string,
  ): Promise<{ kind: 'file' | 'directory' | 'other'; bytes: number; worldWritable: boolean } | undefined>
  remove(path: string): Promise<void>
  /** Of a directory that is empty. */
  removeDirectory(directory: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  syncDirectory(directory: string): Promise<void>
}

/** The right to be the only owner of a directory, freed by the kernel when the process dies. */
export interface DirectoryLock {
  release(): Promise<void>
}

/** A task that has ended, as its key remembers it. */
export interface KeyEnd {
  readonly endedAt: number
  readonly fireAt: number
  readonly generation: number
}

/** What a key names. */
export interface KeyEntry {
  /** The task that has the key, or had it last. */
  readonly id: number
  /** Undefined while the task has not ended. */
  readonly end: KeyEnd | undefined
}

export interface KeyChange {
  readonly queue: number
  readonly key: string
  readonly entry: KeyEntry
}

/** What of the entries of ended tasks may go; asked for a few of them in every write. */
export type KeyForgetting = (queue: number, id: number, endedAt: number) => boolean

/**
 * A view of which task each key of each queue names, larger than memory, derived from the log up to `lsn`. Not the authority:
 * it may be thrown away and made anew.
 */
export interface KeyView {
  /** All that records up to this LSN say is in it, and survives the machine; also some of what came later. 0 in a new one. */
  readonly lsn: number
  /** May read the disk, but does not wait for writes. Sees all writes that have resolved. */
  get(queue: number, key: string): KeyEntry | undefined
  /**
   * Puts the changes in, each key once and in any order, and then sets `lsn`; resolves once all of it survives the machine. A
   * crash in the middle leaves some of the changes, and the `lsn` of before. One at a time. While at it, entries of ended tasks that `forgets` speaks for go: with each entry of an ended task two others are looked
   * at, round by round.
   */
  write(changes: readonly KeyChange[], lsn: number, forgets?: KeyForgetting): Promise<void>
  close(): Promise<void>
}

/**
 * Bulk work off the engine's thread. A job is a named pure function of (disk, random, input), registered in
 * `engine/jobs.ts`; input and output are plain data, cloneable, with typed arrays transferred where possible.
 */
export interface Threads {
  run(job: string, input: unknown): Promise<unknown>
  close(): Promise<void>
}

/** Memory that one thread may use, in MiB; what is not given is the platform's choice. */
export interface ThreadLimits {
  readonly maxOldGenerationSizeMb?: number | undefined
  readonly maxYoungGenerationSizeMb?: number | undefined
  readonly codeRangeSizeMb?: number | undefined
  readonly stackSizeMb?: number | undefined
}

/** Threads that run the handlers of a module. */
export interface HandlerThreads {
  /** How many threads this machine runs at once. */
  readonly cores: number
  /**
   * Starts a thread and imports `module`, a URL, there; resolves once its default export, a function, waits for work.
   * Rejects with an Error that says why it cannot. `setup` is for the thread, plain data.
   */
  start(module: string, setup: unknown, limits: ThreadLimits, listener: ThreadListener): Promise<HandlerThread>
}

export interface HandlerThread {
  /** False as soon as it is known that the thread has died or will. */
  readonly isAlive: boolean
  /**
   * Sends plain data; shared memory in it is shared. Resolves with the thread's answer, after all that it said before has
   * been told. Rejects when the thread dies.
   */
  call(message: unknown): Promise<unknown>
  /** Ends the thread whatever it is doing; resolves when nothing of it runs any more. */
  terminate(): Promise<void>
}

export interface ThreadListener {
  /** The thread says something unasked. */
  said(message: unknown): void
  /** Once, when nothing of the thread runs any more and all that it said has been told. Not while it starts. */
  died(reason: string): void
}

export interface Platform {
  readonly clock: Clock
  readonly disk: Disk
  readonly random: Random
  readonly threads: Threads
  readonly handlers: HandlerThreads
  /** Resolves to a lock, or to the owner that holds it (a sentence for the error message). */
  lockDirectory(directory: string): Promise<DirectoryLock | { readonly heldBy: string }>
  /**
   * Opens the view of keys kept under this path. 'existing': undefined when there is none, or none of this `history` (a number
   * that tells directories apart), or it is damaged. 'anew': an empty one in place of whatever is there.
   */
  openKeyView(path: string, history: number, how: 'existing'): Promise<KeyView | undefined>
  openKeyView(path: string, history: number, how: 'anew'): Promise<KeyView>
}
