/**
 * What happened in a run, line by line, with virtual time: the evidence that the checker judges by, what a failing seed
 * prints, and the hash that shows two runs to be the same.
 */

interface Line {
  readonly atMs: number
  readonly tag: string
  readonly text: string
}

export class Journal {
  readonly #now: () => number
  readonly #lines: Line[] = []
  #hashA = 0x811c9dc5
  #hashB = 0x2c1b3c6d

  /** `now` is virtual milliseconds since the start of the run. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Number of the next line: orders what is noted. */
  get length(): number {
    return this.#lines.length
  }

  /** Notes a line about a task, or about the whole ('' as tag). */
  note(tag: string, text: string): void {
    const atMs = this.#now()
    this.#lines.push({ atMs, tag, text })
    const line = `${atMs.toFixed(3)} ${tag} ${text}`
    for (let i = 0; i < line.length; i++) {
      const code = line.charCodeAt(i)
      this.#hashA = Math.imul(this.#hashA ^ code, 0x01000193)
      this.#hashB = Math.imul(this.#hashB ^ code, 0x85ebca6b) ^ (this.#hashB >>> 13)
    }
  }

  /** Sixteen hexadecimal digits over everything noted so far. */
  get hash(): string {
    return [this.#hashA, this.#hashB].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }

  /** The last lines about a task, and those about the whole that lie between and after them. */
  tail(tag: string, count: number): string[] {
    const lines: string[] = []
    for (let i = this.#lines.length - 1; i >= 0 && lines.length < count; i--) {
      const line = this.#lines[i]!
      if (tag !== '' && line.tag !== tag && line.tag !== '') continue
      lines.push(`${line.atMs.toFixed(3).padStart(14)} ${line.tag.padEnd(8)} ${line.text}`)
    }
    return lines.reverse()
  }
}
