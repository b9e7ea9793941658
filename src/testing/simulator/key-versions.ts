/**
 * The checker's part about who has which key: all tasks of each, and which of them an id named when. One that replaces another
 * lives on under its id; receipts of one moment come in any order, and behind the starts of their tasks.
 */

import type { KeyRef } from '../../model/hourwheel.ts'
import { state } from './belief.ts'
import { mayReplace, putBefore } from './checker-core.ts'
import type { KeyCall } from './key-calls.ts'
import { LeaseChecks } from './lease-checks.ts'
import type { TaskModel } from './task-model.ts'

export class KeyVersions extends LeaseChecks {
  protected readonly book: Map<string, TaskModel[]> = new Map()
  /** The call that brings a task in, until it is answered. */
  protected readonly callOf: Map<TaskModel, KeyCall> = new Map()

  /** What another checker knows of keys; of each task that one has, `of` is this one's. */
  protected adoptKeys(other: KeyVersions, of: (task: TaskModel) => TaskModel): void {
    for (const [name, tasks] of other.book) this.book.set(name, tasks.map(of))
  }

  /** All keys that were ever used. */
  get keysUsed(): KeyRef[] {
    return [...this.book.values()].map(([first]) => ({ queue: first!.spec.queue, key: first!.spec.key! }))
  }

  tasksWith(queue: string, key: string): readonly TaskModel[] {
    return this.book.get(nameOf(queue, key)) ?? []
  }

  /** Nothing can become of it any more. */
  protected isFinal(task: TaskModel): boolean {
    const { states } = task.now
    if ((states & (state.live | state.dead)) !== 0) return false
    return states !== state.absent || task.submission.life < this.life
  }

  /**
   * Which task had this id at a generation: receipts of one moment come in any order, and a successor or a task whose receipt is
   * under way has no id yet; then these are all it may be.
   */
  protected versions(task: TaskModel, id: string, generation: number = Infinity): readonly TaskModel[] {
    // It is among them only where the call is made again.
    const isRepeated = this.callOf.get(task)?.windows.has(task) === true
    const found = this.byId.get(id)
    const known: TaskModel[] = []
    // One that was started before its receipt may have begun with any generation: then those before it may be meant as well.
    for (let version = found; version !== undefined; version = version.predecessor) {
      const { generationFirst } = version
      const mayBe = generationFirst === undefined || generation >= generationFirst
      if (mayBe && (version !== task || isRepeated)) known.push(version)
      if (mayBe && generationFirst !== undefined) break
    }
    const { queue, key } = task.spec
    const coming = this.tasksWith(queue, key!).filter((other) => {
      const mayBe = found === undefined || mayReplace(other, found) || mayReplace(found, other)
      const isAnother = other !== task || isRepeated
      return mayBe && isAnother && other.id === undefined && !(this.isFinal(other) && other.now.states === state.absent)
    })
    return [...known, ...coming]
  }

  /** A task lives on under the id of another; a later one may have taken its place already. */
  protected learnVersion(task: TaskModel, other: TaskModel | undefined, id: string, generation: number): void {
    let later = this.byId.get(id)
    if (later === undefined || later === task || later === other || !isLater(later, generation)) {
      this.learnId(task, id, true)
      return
    }
    while (later.predecessor !== undefined && later.predecessor !== other) later = later.predecessor
    putBefore(task, other)
    putBefore(later, task)
    task.id = id
  }

  protected replacementsOf(task: TaskModel): TaskModel[] {
    const { queue, key } = task.spec
    return this.tasksWith(queue, key!).filter((other) => other.id === undefined && mayReplace(other, task))
  }
}

/** Whether a task that took the place of another did so after this generation; one without a receipt is the newest. */
function isLater({ generationFirst }: TaskModel, generation: number): boolean {
  return generationFirst === undefined || generationFirst > generation
}

export function nameOf(queue: string, key: string): string {
  return `${queue} ${key}`
}
