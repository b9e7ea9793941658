/**
 * One file of the simulated disk: what a read sees now, and what a power cut could leave of it.
 *
 * The present content is one array. For every sector changed since it was last synced there is also the synced content
 * (`base`) and each content in between, with the number of the effect (write or truncate) that made it. The same holds
 * for the size. A crash chooses one of these versions per sector, or a mix of two, independently.
 *
 * Invariants
 * - Bytes from the size on are zero.
 * - What a returned sync covers is in no choice any more. Zeros appear only beyond the synced size: a real sector that
 *   was synced holds its old or its new bytes.
 * - After a failed sync the sectors it covered are doomed: reads are perfect and later syncs say they are good, but a
 *   crash leaves their base. Writing such a sector again makes it whole.
 */

import type { SeededRandom } from './seeded-random.ts'

export const sectorBytes = 512

interface ContentVersion {
  readonly effect: number
  readonly bytes: Uint8Array
}

interface SizeVersion {
  readonly effect: number
  readonly size: number
}

interface DirtySector {
  /** Undefined: zeros. */
  base: Uint8Array | undefined
  between: ContentVersion[]
  /** The effect that made the present content. */
  lastEffect: number
  doomed: boolean
}

interface ChosenSize {
  readonly size: number
  /** What the file was cut to on the way to this size: older bytes beyond it are gone. */
  readonly smallest: number
  /** The first later cut: it did not happen, nor did what was written beyond it afterwards. */
  readonly lostCut: SizeVersion | undefined
}

/** How a crash chooses: all effects up to a number are kept and the others lost, or by lot. */
export type Fate = { readonly keepThrough: number } | { readonly random: SeededRandom; readonly keepChance: number }

export class SimulatedInode {
  /** Names that refer to this file now, and handles that hold it open. */
  names = 0
  handles = 0
  #size = 0
  #bytes = new Uint8Array(0)
  /** Shared with another inode: copied before it is changed. */
  #shared = false
  readonly #allocated = new Set<number>()
  readonly #dirty = new Map<number, DirtySector>()
  /** Synced size first, present size last. */
  #sizes: SizeVersion[] = [{ effect: 0, size: 0 }]

  get size(): number {
    return this.#size
  }

  get sectorsAllocated(): number {
    return this.#allocated.size
  }

  isAllocated(sector: number): boolean {
    return this.#allocated.has(sector)
  }

  /** Effects of which a crash may lose something. */
  unsyncedEffects(into: Set<number>): void {
    for (const { effect } of this.#sizes.slice(1)) into.add(effect)
    for (const sector of this.#dirty.values()) {
      if (sector.doomed) continue
      into.add(sector.lastEffect)
      for (const { effect } of sector.between) into.add(effect)
    }
  }

  read(into: Uint8Array, at: number): number {
    const count = Math.max(0, Math.min(into.length, this.#size - at))
    into.set(this.#bytes.subarray(at, at + count))
    return count
  }

  write(from: Uint8Array, at: number, effect: number): void {
    if (from.length === 0) return
    const end = at + from.length
    this.#own(end)
    for (let sector = Math.floor(at / sectorBytes); sector * sectorBytes < end; sector++) {
      this.#touch(sector, effect)
      this.#allocated.add(sector)
    }
    this.#bytes.set(from, at)
    if (end > this.#size) this.#setSize(end, effect)
  }

  truncate(size: number, effect: number): void {
    this.#own(size)
    for (let sector = Math.floor(size / sectorBytes); sector * sectorBytes < this.#size; sector++) {
      if (!this.#allocated.has(sector)) continue
      this.#touch(sector, effect)
      if (sector * sectorBytes >= size) this.#allocated.delete(sector)
    }
    this.#bytes.fill(0, size, Math.max(size, this.#size))
    if (size !== this.#size) this.#setSize(size, effect)
  }

  /** A sync that saw the effects up to `effect` came back good. */
  synced(effect: number): void {
    for (const [sector, dirty] of this.#dirty) {
      if (dirty.doomed) continue
      if (dirty.lastEffect <= effect) {
        this.#dirty.delete(sector)
        continue
      }
      const covered = dirty.between.filter((version) => version.effect <= effect).at(-1)
      if (covered !== undefined) dirty.base = covered.bytes
      dirty.between = dirty.between.filter((version) => version.effect > effect)
    }
    const base = this.#sizes.filter((entry) => entry.effect <= effect).at(-1)!
    this.#sizes = [base, ...this.#sizes.filter((entry) => entry.effect > effect)]
  }

  /** A sync that saw the effects up to `effect` failed. */
  syncFailed(effect: number): void {
    for (const dirty of this.#dirty.values()) {
      dirty.between = dirty.between.filter((version) => version.effect > effect)
      if (dirty.lastEffect <= effect) dirty.doomed = true
    }
  }

  /** Changes bytes behind everyone's back: the present content and all that a crash could leave. */
  corrupt(bytes: Uint8Array, at: number): void {
    if (at < 0 || at + bytes.length > this.#size) throw new RangeError(`no bytes ${at} to ${at + bytes.length}`)
    this.#own(this.#size)
    this.#bytes.set(bytes, at)
    for (let index = 0; index < bytes.length; index++) {
      const dirty = this.#dirty.get(Math.floor((at + index) / sectorBytes))
      if (dirty === undefined) continue
      const within = (at + index) % sectorBytes
      dirty.base ??= new Uint8Array(sectorBytes)
      dirty.base[within] = bytes[index]!
      for (const version of dirty.between) version.bytes[within] = bytes[index]!
    }
  }

  /** What a crash leaves; this inode stays as it is. */
  crashed(fate: Fate): SimulatedInode {
    const left = new SimulatedInode()
    const chosen = this.#chooseSize(fate)
    if (this.#dirty.size === 0 && chosen.size === this.#size) {
      left.#bytes = this.#bytes
      left.#shared = true
      this.#shared = true
    } else {
      left.#bytes = new Uint8Array(chosen.size)
      left.#bytes.set(this.#bytes.subarray(0, chosen.size))
      for (const [sector, dirty] of this.#dirty) {
        const start = sector * sectorBytes
        if (start >= chosen.size) continue
        const content = this.#chooseContent(sector, dirty, chosen, fate)
        left.#bytes.set(content.subarray(0, chosen.size - start), start)
      }
    }
    left.#size = chosen.size
    left.#sizes = [{ effect: 0, size: chosen.size }]
    for (const sector of this.#allocated) if (sector * sectorBytes < chosen.size) left.#allocated.add(sector)
    for (const sector of this.#dirty.keys()) if (sector * sectorBytes < chosen.size) left.#allocated.add(sector)
    return left
  }

  #chooseSize(fate: Fate): ChosenSize {
    const sizes = this.#sizes
    let index = sizes.length - 1
    if ('keepThrough' in fate) while (index > 0 && sizes[index]!.effect > fate.keepThrough) index--
    else if (!fate.random.chance(fate.keepChance)) index = fate.random.below(sizes.length)
    const smallest = Math.min(...sizes.slice(0, index + 1).map((entry) => entry.size))
    const lostCut = sizes.find((entry, at) => at > index && entry.size < sizes[at - 1]!.size)
    let size = sizes[index]!.size
    const next = sizes[index + 1]
    if ('random' in fate && next !== undefined && next.size > size && fate.random.chance(0.3)) {
      // Written back in part: any whole number of sectors on the way.
      const more = Math.ceil(fate.random.below(next.size - size) / sectorBytes)
      size = Math.max(size, Math.min(next.size, (Math.floor(size / sectorBytes) + more) * sectorBytes))
    }
    return { size, smallest, lostCut }
  }

  #chooseContent(sector: number, dirty: DirtySector, chosen: ChosenSize, fate: Fate): Uint8Array {
    const start = sector * sectorBytes
    const base = new Uint8Array(sectorBytes)
    if (dirty.base !== undefined) base.set(dirty.base.subarray(0, Math.max(0, chosen.smallest - start)))
    if (dirty.doomed) return base
    let versions: ContentVersion[] = [
      { effect: -1, bytes: base },
      ...dirty.between,
      { effect: dirty.lastEffect, bytes: this.#sectorContent(sector) },
    ]
    const { lostCut } = chosen
    if (lostCut !== undefined && start + sectorBytes > lostCut.size) {
      versions = versions.filter((version) => version.effect < lostCut.effect)
    }
    if ('keepThrough' in fate)
      return versions.filter((version) => version.effect <= fate.keepThrough).at(-1)?.bytes ?? base
    const { random, keepChance } = fate
    if (random.chance(keepChance)) return versions.at(-1)!.bytes
    switch (random.below(4)) {
      case 0:
        return base
      case 1:
        return random.pick(versions).bytes
      case 2:
        return base.fill(0, Math.min(sectorBytes, Math.max(0, this.#sizes[0]!.size - start)))
      default: {
        const torn = random.pick(versions).bytes.slice()
        const from = random.below(sectorBytes + 1)
        torn.set(random.pick(versions).bytes.subarray(from), from)
        return torn
      }
    }
  }

  #touch(sector: number, effect: number): void {
    const dirty = this.#dirty.get(sector)
    if (dirty === undefined) {
      const base = this.#allocated.has(sector) ? this.#sectorContent(sector) : undefined
      this.#dirty.set(sector, { base, between: [], lastEffect: effect, doomed: false })
      return
    }
    if (!dirty.doomed) dirty.between.push({ effect: dirty.lastEffect, bytes: this.#sectorContent(sector) })
    dirty.doomed = false
    dirty.lastEffect = effect
  }

  /** A copy, of full length. */
  #sectorContent(sector: number): Uint8Array {
    const content = new Uint8Array(sectorBytes)
    content.set(this.#bytes.subarray(sector * sectorBytes, (sector + 1) * sectorBytes))
    return content
  }

  #setSize(size: number, effect: number): void {
    this.#size = size
    this.#sizes.push({ effect, size })
  }

  /** Makes the array this inode's own, with room for `size` bytes. */
  #own(size: number): void {
    if (!this.#shared && size <= this.#bytes.length) return
    const grown = new Uint8Array(size <= this.#bytes.length ? this.#bytes.length : Math.max(size, 2 * this.#size))
    grown.set(this.#bytes.subarray(0, this.#size))
    this.#bytes = grown
    this.#shared = false
  }
}
