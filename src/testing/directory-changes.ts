/**
 * The directories of the simulated disk, and their changes that wait for a sync.
 *
 * A create, rename or unlink is pending until its directory is synced. A crash keeps any subset of what is pending that
 * respects the order of the changes to each name: so unlinked files come back and created ones are missing, but a name
 * never shows a change without those before it. A rename within one directory is one change of two names; across
 * directories the new name appears no later than the old one goes.
 */

import type { Fate, SimulatedInode } from './simulated-inode.ts'

export class SimulatedDirectory {
  /** As it is now. */
  readonly names: Map<string, DiskNode> = new Map()
  /** As it was synced. */
  readonly synced: Map<string, DiskNode> = new Map()
}

export type DiskNode = SimulatedDirectory | SimulatedInode

export interface DirectoryChange {
  readonly effect: number
  readonly directory: SimulatedDirectory
  readonly names: readonly { readonly name: string; readonly node: DiskNode | undefined }[]
  /** A change that has to be on disk before this one. */
  readonly after: DirectoryChange | undefined
}

export class DirectoryChanges {
  #pending: DirectoryChange[] = []
  /** Covered by a failed sync: later syncs say they are good, and a crash undoes them. */
  readonly #doomed = new Set<DirectoryChange>()

  /** Changes the names now, and remembers that this is not on disk yet. */
  make(change: DirectoryChange): void {
    apply(change, change.directory.names)
    this.#pending.push(change)
  }

  /** A sync of `directory` that saw the effects up to `effect` came back good. */
  synced(directory: SimulatedDirectory, effect: number): void {
    const held = new Held()
    const free = this.#pending.filter((change) => !held.hold(change, this.#doomed.has(change)))
    // From the last to the first, as a change takes along those it builds on.
    const landing = new Set<DirectoryChange>()
    const needed = new Held()
    for (const change of free.reverse()) {
      const asked = change.directory === directory && change.effect <= effect
      if (!asked && !needed.wants(change)) continue
      needed.hold(change, true)
      if (change.after !== undefined) needed.hold(change.after, true)
      landing.add(change)
    }
    for (const change of this.#pending) if (landing.has(change)) apply(change, change.directory.synced)
    this.#pending = this.#pending.filter((change) => !landing.has(change))
  }

  syncFailed(directory: SimulatedDirectory, effect: number): void {
    for (const change of this.#pending) {
      if (change.directory === directory && change.effect <= effect) this.#doomed.add(change)
    }
  }

  allSynced(): void {
    for (const change of this.#pending) apply(change, change.directory.synced)
    this.#pending = []
  }

  /** Effects that a crash may undo. */
  unsyncedEffects(into: Set<number>): void {
    for (const change of this.#pending) if (!this.#doomed.has(change)) into.add(change.effect)
  }

  /** Everything that has a name in a pending change. */
  nodes(): DiskNode[] {
    return this.#pending.flatMap(({ names }) => names.flatMap(({ node }) => node ?? []))
  }

  /** The names of any directory as a crash leaves them. */
  crashed(fate: Fate): (directory: SimulatedDirectory) => ReadonlyMap<string, DiskNode> {
    const left = new Map<SimulatedDirectory, Map<string, DiskNode>>()
    const namesOf = (directory: SimulatedDirectory): Map<string, DiskNode> => {
      let names = left.get(directory)
      if (names === undefined) left.set(directory, (names = new Map(directory.synced)))
      return names
    }
    const held = new Held()
    for (const change of this.#pending) {
      const kept =
        'random' in fate ? fate.random.chance((1 + 2 * fate.keepChance) / 4) : change.effect <= fate.keepThrough
      if (!held.hold(change, !kept || this.#doomed.has(change))) apply(change, namesOf(change.directory))
    }
    return namesOf
  }
}

/** A set of changes, closed under "of the same name" and "waits for". */
class Held {
  readonly #names = new Map<SimulatedDirectory, Set<string>>()
  readonly #changes = new Set<DirectoryChange>()

  wants(change: DirectoryChange): boolean {
    const names = this.#names.get(change.directory)
    if (names !== undefined && change.names.some(({ name }) => names.has(name))) return true
    return this.#changes.has(change) || (change.after !== undefined && this.#changes.has(change.after))
  }

  /** Takes `change` in if `always` or if the set wants it; says whether it is in. */
  hold(change: DirectoryChange, always: boolean): boolean {
    if (!always && !this.wants(change)) return false
    let names = this.#names.get(change.directory)
    if (names === undefined) this.#names.set(change.directory, (names = new Set()))
    for (const { name } of change.names) names.add(name)
    this.#changes.add(change)
    return true
  }
}

function apply(change: DirectoryChange, names: Map<string, DiskNode>): void {
  for (const { name, node } of change.names) {
    if (node === undefined) names.delete(name)
    else names.set(name, node)
  }
}
