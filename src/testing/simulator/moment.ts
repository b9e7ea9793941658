/**
 * What may be in a backup that is being made: what a crash could have left when it was asked for, and all that has been possible
 * since, until it is answered. What was acknowledged before is in both.
 */

import type { Belief } from './belief.ts'
import type { TaskModel } from './task-model.ts'

export interface CheckerClock {
  /** The real wall clock, not what the engine was shown. */
  wallMs(): number
  /** Virtual time, which only grows. */
  nowMs(): number
}

export class Moment {
  readonly path: string
  readonly clock: CheckerClock
  readonly windows: Map<TaskModel, Belief> = new Map()
  /** No attempt of these starts any more. */
  readonly stopped: ReadonlySet<TaskModel>
  /** Queues that have been paused all the time. */
  readonly paused: Set<string>

  constructor(path: string, clock: CheckerClock, tasks: Iterable<TaskModel>, paused: Iterable<string>) {
    this.path = path
    this.clock = clock
    const stopped = new Set<TaskModel>()
    for (const task of tasks) {
      this.windows.set(task, task.openWindow(task.since))
      if (task.stopped) stopped.add(task)
    }
    this.stopped = stopped
    this.paused = new Set(paused)
  }

  /** A task has come meanwhile. */
  meets(task: TaskModel): void {
    this.windows.set(task, task.openWindow())
  }

  end(): void {
    for (const [task, window] of this.windows) task.windows.delete(window)
    this.windows.clear()
  }
}
