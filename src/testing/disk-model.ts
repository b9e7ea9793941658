/**
 * The state of a simulated disk: a tree of directories and files, as it is now and as a power cut could leave it.
 *
 * Every write, truncate and directory change is an effect and has a number, in the order they happened; a crash policy
 * says which of the unsynced ones are kept.
 *
 * No time, no latency, no faults: simulated-disk.ts adds those.
 */

import { DirectoryChanges, SimulatedDirectory, type DirectoryChange, type DiskNode } from './directory-changes.ts'
import { type Fate, sectorBytes, SimulatedInode } from './simulated-inode.ts'
import type { SeededRandom } from './seeded-random.ts'

/**
 * What a power cut does to what was not synced: all of it lost, all kept, the first so many effects kept, or by lot
 * (each sector and change for itself kept, lost, zeroed or torn).
 */
export type CrashPolicy = 'loseAll' | 'keepAll' | 'random' | { readonly keepFirst: number }

export class DiskModel {
  readonly root: SimulatedDirectory = new SimulatedDirectory()
  readonly #changes = new DirectoryChanges()
  #lastEffect = 0
  #sectorsUsed = 0

  get lastEffect(): number {
    return this.#lastEffect
  }

  /** Space taken by data. */
  get bytesUsed(): number {
    return this.#sectorsUsed * sectorBytes
  }

  /** What is at an absolute path, or undefined. */
  find(path: string): DiskNode | undefined {
    let node: DiskNode | undefined = this.root
    for (const name of partsOf(path)) {
      if (node === undefined) return undefined
      if (!(node instanceof SimulatedDirectory)) throw diskError('ENOTDIR', path)
      node = node.names.get(name)
    }
    return node
  }

  file(path: string): SimulatedInode {
    const node = this.find(path)
    if (node === undefined) throw diskError('ENOENT', path)
    if (node instanceof SimulatedDirectory) throw diskError('EISDIR', path)
    return node
  }

  directory(path: string): SimulatedDirectory {
    const node = this.find(path)
    if (node === undefined) throw diskError('ENOENT', path)
    if (!(node instanceof SimulatedDirectory)) throw diskError('ENOTDIR', path)
    return node
  }

  /** Absolute paths of all files, sorted. */
  files(): string[] {
    const paths: string[] = []
    const visit = (directory: SimulatedDirectory, prefix: string): void => {
      for (const [name, node] of directory.names) {
        if (node instanceof SimulatedDirectory) visit(node, `${prefix}/${name}`)
        else paths.push(`${prefix}/${name}`)
      }
    }
    visit(this.root, '')
    return paths.sort()
  }

  create(path: string): SimulatedInode {
    const { directory, name } = this.#place(path)
    if (directory.names.has(name)) throw diskError('EEXIST', path)
    const inode = new SimulatedInode()
    this.#change(directory, [{ name, node: inode }])
    return inode
  }

  makeDirectory(path: string): void {
    let directory = this.root
    for (const name of partsOf(path)) {
      let node = directory.names.get(name)
      if (node === undefined) {
        node = new SimulatedDirectory()
        this.#change(directory, [{ name, node }])
      }
      if (!(node instanceof SimulatedDirectory)) throw diskError('ENOTDIR', path)
      directory = node
    }
  }

  remove(path: string): void {
    this.file(path)
    const { directory, name } = this.#place(path)
    this.#change(directory, [{ name, node: undefined }])
  }

  removeDirectory(path: string): void {
    if (this.directory(path).names.size > 0) throw diskError('ENOTEMPTY', path)
    const { directory, name } = this.#place(path)
    this.#change(directory, [{ name, node: undefined }])
  }

  rename(from: string, to: string): void {
    const node = this.find(from)
    if (node === undefined) throw diskError('ENOENT', from)
    const source = this.#place(from)
    const target = this.#place(to)
    const replaced = target.directory.names.get(target.name)
    if (replaced === node) return
    if (replaced instanceof SimulatedDirectory) throw diskError('EISDIR', to)
    if (replaced !== undefined && node instanceof SimulatedDirectory) throw diskError('ENOTDIR', to)
    const appears = { name: target.name, node }
    const goes = { name: source.name, node: undefined }
    if (source.directory === target.directory) {
      this.#change(source.directory, [appears, goes])
    } else {
      const first = this.#change(target.directory, [appears])
      this.#change(source.directory, [goes], first)
    }
  }

  write(inode: SimulatedInode, from: Uint8Array, at: number): void {
    const before = inode.sectorsAllocated
    inode.write(from, at, ++this.#lastEffect)
    this.#sectorsUsed += inode.sectorsAllocated - before
  }

  truncate(inode: SimulatedInode, size: number): void {
    const before = inode.sectorsAllocated
    inode.truncate(size, ++this.#lastEffect)
    this.#sectorsUsed += inode.sectorsAllocated - before
  }

  directorySynced(directory: SimulatedDirectory, effect: number): void {
    this.#changes.synced(directory, effect)
  }

  directorySyncFailed(directory: SimulatedDirectory, effect: number): void {
    this.#changes.syncFailed(directory, effect)
  }

  /** Everything is on disk. */
  syncAll(): void {
    for (const inode of this.#inodes()) inode.synced(this.#lastEffect)
    this.#changes.allSynced()
  }

  /** Numbers of the effects that a crash may undo, in order. */
  unsyncedEffects(): number[] {
    const effects = new Set<number>()
    this.#changes.unsyncedEffects(effects)
    for (const inode of this.#inodes()) inode.unsyncedEffects(effects)
    return [...effects].sort((a, b) => a - b)
  }

  /** The disk as a power cut leaves it; this one stays as it is. */
  crashed(policy: CrashPolicy, random: SeededRandom): DiskModel {
    const fate = this.#fate(policy, random)
    const namesOf = this.#changes.crashed(fate)
    const model = new DiskModel()
    const copies = new Map<DiskNode, DiskNode>()
    const copy = (node: DiskNode): DiskNode => {
      let made = copies.get(node)
      if (made === undefined) {
        made = node instanceof SimulatedInode ? node.crashed(fate) : copyDirectory(node, new SimulatedDirectory())
        copies.set(node, made)
      }
      return made
    }
    const copyDirectory = (from: SimulatedDirectory, to: SimulatedDirectory): SimulatedDirectory => {
      for (const [name, node] of namesOf(from)) {
        const copied = copy(node)
        if (copied instanceof SimulatedInode) copied.names++
        to.names.set(name, copied)
        to.synced.set(name, copied)
      }
      return to
    }
    copyDirectory(this.root, model.root)
    model.releaseAll()
    return model
  }

  /** One handle of a file is gone. */
  release(inode: SimulatedInode): void {
    inode.handles--
    if (inode.names === 0 && inode.handles === 0) this.#sectorsUsed -= inode.sectorsAllocated
  }

  /** All handles are gone, as their process is: files without a name give their space back. */
  releaseAll(): void {
    this.#sectorsUsed = 0
    for (const inode of this.#inodes()) {
      inode.handles = 0
      if (inode.names > 0) this.#sectorsUsed += inode.sectorsAllocated
    }
  }

  #fate(policy: CrashPolicy, random: SeededRandom): Fate {
    if (policy === 'loseAll') return { keepThrough: -1 }
    if (policy === 'keepAll') return { keepThrough: Infinity }
    const effects = this.unsyncedEffects()
    if (policy !== 'random') {
      return { keepThrough: policy.keepFirst === 0 ? -1 : (effects[policy.keepFirst - 1] ?? Infinity) }
    }
    // One crash in five loses a suffix of everything, as a device that writes in order does.
    if (random.chance(0.2)) return { keepThrough: random.pick([-1, ...effects]) }
    return { random, keepChance: random.pick([0, 0.1, 0.5, 0.9]) }
  }

  /** Every file that has a name, now or after some crash. */
  *#inodes(): Generator<SimulatedInode> {
    const seen = new Set<DiskNode>()
    const next: DiskNode[] = [this.root, ...this.#changes.nodes()]
    for (let node = next.pop(); node !== undefined; node = next.pop()) {
      if (seen.has(node)) continue
      seen.add(node)
      if (node instanceof SimulatedInode) yield node
      else next.push(...node.names.values(), ...node.synced.values())
    }
  }

  #place(path: string): { directory: SimulatedDirectory; name: string } {
    const parts = partsOf(path)
    const name = parts.pop()
    if (name === undefined) throw diskError('EINVAL', path)
    return { directory: this.directory(`/${parts.join('/')}`), name }
  }

  #change(directory: SimulatedDirectory, names: DirectoryChange['names'], after?: DirectoryChange): DirectoryChange {
    const change: DirectoryChange = { effect: ++this.#lastEffect, directory, names, after }
    for (const { name, node } of names) {
      const before = directory.names.get(name)
      if (node instanceof SimulatedInode && node.names++ === 0 && node.handles === 0) {
        this.#sectorsUsed += node.sectorsAllocated
      }
      if (before instanceof SimulatedInode && --before.names === 0 && before.handles === 0) {
        this.#sectorsUsed -= before.sectorsAllocated
      }
    }
    this.#changes.make(change)
    return change
  }
}

function partsOf(path: string): string[] {
  if (!path.startsWith('/')) throw diskError('EINVAL', path)
  return path.split('/').filter((part) => part !== '')
}

/** An error as Node gives it, as far as callers look. */
export function diskError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, '${path}'`), { code, path })
}
