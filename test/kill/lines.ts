/**
 * What the worker (worker.mjs) says, one JSON object a line, and what it is told. Lines about calls and handlers are
 * written synchronously, before the call is made or the handler does anything, and when an answer has come: their order is
 * the order of things in the worker's thread, and what it wrote before it died can still be read.
 */

/** One task as it was asked for. */
export interface Asked {
  readonly tag: number
  readonly queue: string
  readonly fireFrom: number
  readonly fireTo: number
  readonly attemptsMax: number
  readonly delayMs: number
  readonly expiresAt?: number
}

export type Line =
  // Life of the worker
  | { readonly t: 'born'; readonly pid: number }
  | { readonly t: 'opened'; readonly wallMs: number }
  | { readonly t: 'refused'; readonly code: string; readonly message: string }
  | { readonly t: 'ready' }
  | { readonly t: 'drained'; readonly left: number }
  | { readonly t: 'verified'; readonly sound: boolean; readonly problems: string }
  | { readonly t: 'closed'; readonly reason: string; readonly code?: string; readonly message?: string }
  | { readonly t: 'uncaught'; readonly text: string }
  | { readonly t: 'given up'; readonly code: string; readonly message: string }
  // The scan after opening, before any handler
  | ListedLine
  | StatsLine
  | { readonly t: 'scanned'; readonly wallMs: number; readonly hours: readonly (readonly [number, number])[] }
  // Calls, by number
  | { readonly t: 'submit'; readonly n: number; readonly tasks: readonly Asked[] }
  | { readonly t: 'accepted'; readonly n: number; readonly receipts: readonly (readonly [string, number])[] }
  | {
      readonly t: 'cancel' | 'get' | 'redrive' | 'purge'
      readonly n: number
      readonly tag: number
      readonly wallMs: number
    }
  | { readonly t: 'move'; readonly n: number; readonly tag: number; readonly fireAt: number }
  | AnswerLine
  | { readonly t: 'failed'; readonly n: number; readonly code: string; readonly outcome: string }
  | { readonly t: 'pause' | 'resume'; readonly n: number; readonly queue: string }
  | { readonly t: 'tally'; readonly conservation: number; readonly checkpoints: number; readonly segments: number }
  // Handlers and events
  | StartLine
  | EndLine
  | EventLine

/** One task of the scan. `same`: payload and headers are those that belong to its tag. */
export interface ListedLine {
  readonly t: 'listed'
  readonly id: string
  readonly tag: number
  readonly queue: string
  readonly state: 'pending' | 'leased' | 'dead'
  readonly fireAt: number
  readonly attempt: number
  readonly generation: number
  readonly same: boolean
  readonly reason?: string
}

export interface StatsLine {
  readonly t: 'stats'
  readonly total: Readonly<Record<string, number>>
  readonly conservation: number
  readonly openCount: number
  readonly paused: readonly string[]
}

/** The answer of cancel, get, move, redrive, purge, pause or resume, as far as it is looked at. */
export interface AnswerLine {
  readonly t: 'answer'
  readonly n: number
  readonly outcome: string
  readonly how?: string
  readonly fireAt?: number
  readonly generation?: number
}

export interface StartLine {
  readonly t: 'start'
  readonly id: string
  readonly tag: number
  readonly queue: string
  readonly attempt: number
  readonly fence: number
  readonly scheduledFor: number
  readonly wallMs: number
  /** The monotonic clock of the process. */
  readonly upMs: number
  readonly same: boolean
}

export interface EndLine {
  readonly t: 'end'
  readonly tag: number
  readonly attempt: number
  readonly how: 'ok' | 'fail' | 'retry' | 'dead'
  readonly wallMs: number
  /** Of 'retry'. */
  readonly delayMs?: number
  /** The successor of 'ok'. */
  readonly next?: Asked
}

export interface EventLine {
  readonly t: 'event'
  readonly name: string
  readonly id?: string
  readonly attempt?: number
  readonly reason?: string
  readonly wallMs: number
  readonly held?: boolean
}

/** What a worker is started with. */
export interface Plan {
  /** Where the built package is: its main module. */
  readonly package: string
  readonly dir: string
  readonly seed: number
  readonly firstTag: number
  readonly options: Readonly<Record<string, unknown>>
  /** 'load': calls and handlers. 'drain': handlers until nothing is due. 'look': only the scan. 'verify': no engine at all. */
  readonly work: 'load' | 'drain' | 'look' | 'verify'
  readonly clients: number
  readonly pauseMs: number
  /** Closes in order after so long; absent: it goes on until it is killed. */
  readonly runMs?: number
  /** Whether tasks of hours and days ahead are scheduled. */
  readonly far: boolean
  readonly batchMax: number
}

/** The one line that the worker is told, after its scan. Pairs of tag and id. */
export interface Known {
  /** To be asked for before anything else goes on. */
  readonly ask: readonly (readonly [number, string])[]
  readonly live: readonly (readonly [number, string])[]
  readonly dead: readonly (readonly [number, string])[]
}
