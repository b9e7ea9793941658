/** Planned faults of the simulated disk: which call of which kind on which path goes wrong, and how. */

export type DiskOperation =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'size'
  | 'close'
  | 'list'
  | 'makeDirectory'
  | 'stat'
  | 'remove'
  | 'rename'
  | 'syncDirectory'

/** What was called; of a rename, `path` is the new name. */
export interface DiskCall {
  /** In the order the calls were made, from 1. */
  readonly number: number
  readonly operation: DiskOperation
  readonly path: string
  /** The code it failed with; undefined while it runs and if it succeeded. */
  code: string | undefined
}

export interface DiskFault {
  /** Any operation if not given. */
  readonly on?: DiskOperation | readonly DiskOperation[] | undefined
  /** Any path if not given. */
  readonly path?: RegExp | undefined
  /** The first call to hit among those that match, counted from 1 and from now on; 1 if not given. */
  readonly first?: number | undefined
  /** How many calls to hit, Infinity for ever; 1 if not given. */
  readonly times?: number | undefined
  /** The call fails with this code. A failed write may have written a part, a failed sync dooms what it covered. */
  readonly code?: string | undefined
  /** A read or write moves at most so many bytes, and says so. */
  readonly short?: number | undefined
  /** A write moves nothing and says that it wrote all, or a sync syncs nothing and says that it did. */
  readonly lie?: boolean | undefined
  /** The call takes so much longer. */
  readonly delayMs?: number | undefined
}

export class DiskFaults {
  readonly #planned: { readonly fault: DiskFault; seen: number }[] = []
  /** How many calls were hit. */
  hits = 0

  add(fault: DiskFault): void {
    this.#planned.push({ fault, seen: 0 })
  }

  clear(): void {
    this.#planned.length = 0
  }

  /** The fault that hits this call, the first planned if several do. Every call is shown exactly once. */
  of(operation: DiskOperation, path: string): DiskFault | undefined {
    let hit: DiskFault | undefined
    for (const plan of this.#planned) {
      const { on, path: pattern, first = 1, times = 1 } = plan.fault
      if (on !== undefined && on !== operation && !(Array.isArray(on) && on.includes(operation))) continue
      if (pattern !== undefined && !pattern.test(path)) continue
      plan.seen++
      if (plan.seen >= first && plan.seen < first + times) hit ??= plan.fault
    }
    if (hit !== undefined) this.hits++
    return hit
  }
}
