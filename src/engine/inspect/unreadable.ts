/** What the disk could not read, each part once however often it was tried; parts that follow each other are one. */

import type { Loss } from './findings.ts'

export class Unreadable {
  /** By file: start and end of each part. */
  readonly #parts: Map<string, Map<number, number>> = new Map()

  add(path: string, offset: number, bytes: number): void {
    const file = path.slice(path.lastIndexOf('/') + 1)
    let parts = this.#parts.get(file)
    if (parts === undefined) this.#parts.set(file, (parts = new Map()))
    parts.set(offset, Math.max(parts.get(offset) ?? 0, offset + bytes))
  }

  losses(): Loss[] {
    const losses: Loss[] = []
    for (const [file, parts] of this.#parts) {
      let from = -1
      let to = -1
      const end = (): void => {
        if (to > from) losses.push({ file, offset: from, what: `the disk cannot read ${to - from} bytes` })
      }
      for (const [start, until] of [...parts].sort(([a], [b]) => a - b)) {
        if (start > to) {
          end()
          from = start
        }
        to = Math.max(to, until)
      }
      end()
    }
    return losses
  }
}
