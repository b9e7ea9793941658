/**
 * Tasks that were lost with the process again and again. Each runs with nothing beside it in this process, so that it can take
 * down only itself; what pullers run elsewhere neither waits for it nor keeps it waiting.
 *
 *   due -> waits here, held -> nothing else runs -> leased, alone -> answered
 */

import { tier, type TaskTable } from '../wheel/task-table.ts'
import type { Attempt } from './attempt.ts'
import type { Consumer } from './consumer.ts'

interface Lonely {
  readonly row: number
  readonly homeHour: number
  readonly ordinal: number
  readonly consumer: Consumer
  readonly losses: number
}

/** Ends, buries or leases a held row; false when the log has no room. */
type Begin = (consumer: Consumer, row: number, losses: number) => boolean

export class LonelyLine {
  readonly #table: TaskTable
  readonly #begin: Begin
  readonly #waiting: Lonely[] = []
  /** Attempts of this process from their lease to their answer. */
  #local = 0
  #isAlone = false

  constructor(table: TaskTable, begin: Begin) {
    this.#table = table
    this.#begin = begin
  }

  /** Nothing else may start in this process. */
  get isOccupied(): boolean {
    return this.#isAlone || this.#waiting.length > 0
  }

  began({ consumer }: Attempt): void {
    if (!consumer.isPulled) this.#local++
  }

  ended({ consumer }: Attempt): void {
    if (consumer.isPulled) return
    this.#local--
    this.#isAlone = false
  }

  /** Takes in a due row, held. */
  add(consumer: Consumer, row: number, losses: number): void {
    const { homeHour, ordinal } = this.#table
    this.#waiting.push({ row, homeHour: homeHour[row]!, ordinal: ordinal[row]!, consumer, losses })
    this.start()
  }

  /** Starts the first of them if nothing else runs. */
  start(): void {
    const table = this.#table
    while (this.#local === 0 && this.#waiting.length > 0) {
      const { row, homeHour, ordinal, consumer, losses } = this.#waiting[0]!
      // It may have been cancelled or moved meanwhile; its row is another's then.
      const waits = table.tier[row] === tier.held && table.homeHour[row] === homeHour && table.ordinal[row] === ordinal
      if (waits && (consumer.stopped || consumer.queue.ledger.paused)) {
        table.tier[row] = tier.due
        consumer.queue.due.pushFront(row)
      } else if (waits && !this.#begin(consumer, row, losses)) return
      this.#waiting.shift()
      this.#isAlone = this.#local > 0
    }
  }

  clear(): void {
    this.#waiting.length = 0
  }
}
