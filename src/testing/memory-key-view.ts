/**
 * The view of keys of a simulated machine, in memory: what real ones must do, and no more (platform/ports.ts).
 *
 * A store outlives the processes that open it. What a write brings is in it when the write has resolved; a power cut or kill in
 * the middle of one leaves all of it, some of the changes, or nothing, by lot. A view is one life of it: after that its calls never settle.
 */

import type { KeyChange, KeyEntry, KeyForgetting, KeyView } from '../platform/ports.ts'
import type { CrashPolicy } from './disk-model.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulationLoop } from './simulation-loop.ts'

interface Kept {
  readonly queue: number
  readonly entry: KeyEntry
}

interface Contents {
  readonly history: number
  readonly lsn: number
  readonly entries: ReadonlyMap<string, Kept>
}

const none: Contents = { history: 0, lsn: 0, entries: new Map() }

/** Entries looked at for each ended one that is written. */
const looksPerEnd = 2

/** All views of one machine, by path. */
export class MemoryKeyStores {
  readonly #loop: SimulationLoop
  readonly #random: SeededRandom
  readonly #instant: boolean
  readonly #contents: Map<string, Contents> = new Map()
  /** What writes under way would leave. */
  readonly #underWay: Map<string, Contents> = new Map()
  /** Number of the process that runs now. */
  #life = 0
  /** Writes that have been put in, over all lives. */
  writeCount = 0

  /** `instant`: writes take no time. */
  constructor(loop: SimulationLoop, random: SeededRandom, instant: boolean) {
    this.#instant = instant
    this.#loop = loop
    this.#random = random
  }

  /** The process ends. */
  end(policy: CrashPolicy | 'kill'): void {
    this.#life++
    for (const path of this.#underWay.keys()) this.#contents.set(path, this.#left(path, policy))
    this.#underWay.clear()
  }

  /** The stores as `end` would leave them now; these go on. */
  fork(policy: CrashPolicy, loop: SimulationLoop): MemoryKeyStores {
    const copy = new MemoryKeyStores(loop, this.#random.fork('keys'), this.#instant)
    for (const [path, contents] of this.#contents) copy.#contents.set(path, contents)
    for (const path of this.#underWay.keys()) copy.#contents.set(path, this.#left(path, policy))
    return copy
  }

  /** Takes a view away, as one who removes its file does. */
  remove(path: string): void {
    this.#contents.delete(path)
  }

  /** What to put in place of a view later, as one who restores an old copy of its file does. */
  copy(path: string): () => void {
    const contents = this.#contents.get(path)
    return () => {
      if (contents !== undefined) this.#contents.set(path, contents)
    }
  }

  open(path: string, history: number, how: 'existing'): Promise<KeyView | undefined>
  open(path: string, history: number, how: 'anew'): Promise<KeyView>
  async open(path: string, history: number, how: 'existing' | 'anew'): Promise<KeyView | undefined> {
    if (how === 'anew') {
      await this.replace(this.#life, path, { history, lsn: 0, entries: new Map() })
    } else if (this.#contents.get(path)?.history !== history) return undefined
    return new MemoryKeyView(this, path, this.#life)
  }

  contents(path: string): Contents {
    // A process that is over may still look, into what was removed.
    return this.#contents.get(path) ?? none
  }

  /** Puts contents in place some time later; never, when the process of `life` is over by then. */
  replace(life: number, path: string, contents: Contents): Promise<void> {
    return new Promise((resolve) => {
      if (life !== this.#life) return
      this.#underWay.set(path, contents)
      this.#loop.schedule(this.#instant ? 0 : 0.05 + 3 * this.#random.unit(), () => {
        if (life !== this.#life) return
        this.#underWay.delete(path)
        this.#contents.set(path, contents)
        this.writeCount++
        resolve()
      })
    })
  }

  /** What a write under way leaves. */
  #left(path: string, policy: CrashPolicy | 'kill'): Contents {
    const before = this.#contents.get(path) ?? none
    const after = this.#underWay.get(path)!
    if (policy === 'loseAll') return before
    if (policy === 'keepAll' || before.history !== after.history) return policy === 'keepAll' ? after : before
    const way = this.#random.pick(['none', 'all', 'some'] as const)
    if (way !== 'some') return way === 'all' ? after : before
    const entries = new Map(before.entries)
    for (const [name, kept] of after.entries) if (this.#random.chance(0.5)) entries.set(name, kept)
    return { ...before, entries }
  }
}

class MemoryKeyView implements KeyView {
  readonly #stores: MemoryKeyStores
  readonly #path: string
  readonly #life: number
  #lookFrom = 0

  constructor(stores: MemoryKeyStores, path: string, life: number) {
    this.#stores = stores
    this.#path = path
    this.#life = life
  }

  get lsn(): number {
    return this.#contents.lsn
  }

  get(queue: number, key: string): KeyEntry | undefined {
    return this.#contents.entries.get(`${queue} ${key}`)?.entry
  }

  write(changes: readonly KeyChange[], lsn: number, forgets?: KeyForgetting): Promise<void> {
    const entries = new Map(this.#contents.entries)
    if (forgets !== undefined) this.#forget(entries, changes, forgets)
    for (const { queue, key, entry } of changes) entries.set(`${queue} ${key}`, { queue, entry })
    return this.#stores.replace(this.#life, this.#path, { history: this.#contents.history, lsn, entries })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #forget(entries: Map<string, Kept>, changes: readonly KeyChange[], forgets: KeyForgetting): void {
    const count = looksPerEnd * changes.filter(({ entry }) => entry.end !== undefined).length
    if (count === 0) return
    const names = [...entries.keys()].slice(this.#lookFrom, this.#lookFrom + count)
    this.#lookFrom = names.length < count ? 0 : this.#lookFrom + count
    for (const name of names) {
      const { queue, entry } = entries.get(name)!
      if (entry.end !== undefined && forgets(queue, entry.id, entry.end.endedAt)) entries.delete(name)
    }
  }

  get #contents(): Contents {
    return this.#stores.contents(this.#path)
  }
}
