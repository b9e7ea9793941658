/**
 * Deadlines of running attempts, on the monotonic clock. Attempts with the same time-out end in the order they started, so
 * one FIFO a time-out is enough: add and remove are O(1), and only the heads are looked at.
 */

export interface Deadlined {
  deadlineMs: number
  timeoutMs: number
  previous: Deadlined | undefined
  next: Deadlined | undefined
  listed: boolean
}

interface Line {
  head: Deadlined | undefined
  tail: Deadlined | undefined
}

export class Deadlines {
  readonly #lines: Map<number, Line> = new Map()

  add(item: Deadlined, nowMs: number): void {
    item.deadlineMs = nowMs + item.timeoutMs
    let line = this.#lines.get(item.timeoutMs)
    if (line === undefined) {
      line = { head: undefined, tail: undefined }
      this.#lines.set(item.timeoutMs, line)
    }
    item.listed = true
    item.previous = line.tail
    item.next = undefined
    if (line.tail === undefined) line.head = item
    else line.tail.next = item
    line.tail = item
  }

  remove(item: Deadlined): void {
    if (!item.listed) return
    const line = this.#lines.get(item.timeoutMs)!
    if (item.previous === undefined) line.head = item.next
    else item.previous.next = item.next
    if (item.next === undefined) line.tail = item.previous
    else item.next.previous = item.previous
    item.listed = false
    item.previous = undefined
    item.next = undefined
    if (line.head === undefined && this.#lines.size > 16) this.#lines.delete(item.timeoutMs)
  }

  /** Takes out one item whose deadline has passed. */
  takeExpired(nowMs: number): Deadlined | undefined {
    for (const line of this.#lines.values()) {
      const head = line.head
      if (head !== undefined && head.deadlineMs <= nowMs) {
        this.remove(head)
        return head
      }
    }
    return undefined
  }

  /** The earliest deadline, or undefined. */
  nextMs(): number | undefined {
    let earliest: number | undefined
    for (const line of this.#lines.values()) {
      const head = line.head
      if (head !== undefined && (earliest === undefined || head.deadlineMs < earliest)) earliest = head.deadlineMs
    }
    return earliest
  }
}
