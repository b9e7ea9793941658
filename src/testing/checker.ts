/**
 * The independent checker: is told of every call, answer, handler start and end, event and crash, and says where they
 * break the contract (docs/guarantees.md, D1 to D9). It knows nothing of the engine but its public interface, and never
 * asks it anything: what it is not told did not happen.
 *
 * Per task it keeps what may be true (simulator/belief.ts); an answer outside of that is a violation. A full scan after
 * every start settles what the crash left open. This file is about lives and scans; calls are in simulator/call-checks.ts, those by id in
 * simulator/id-call-checks.ts,
 * attempts in simulator/attempt-checks.ts, leases in simulator/lease-checks.ts, keys in simulator/key-checks.ts.
 *
 * A backup is judged by a checker of its own, which knows what may be in it (simulator/moment.ts) and is shown a scan of it.
 */

import { lossesMax } from './simulator/attempt-checks.ts'
import { state } from './simulator/belief.ts'
import type { SeenTask } from './simulator/checker-core.ts'
import { named } from './simulator/key-calls.ts'
import { isSure, KeyChecks } from './simulator/key-checks.ts'
import { Moment, type CheckerClock } from './simulator/moment.ts'
import type { Submission, TaskModel } from './simulator/task-model.ts'

export class Checker extends KeyChecks {
  readonly #judges: WeakMap<Moment, Checker> = new WeakMap()

  // Life and death of the engine

  opened(): void {
    this.life++
    this.closing = false
    this.fenceBefore = this.fenceMax
    this.fenceInOrder = this.fenceMax
    this.sampleWall()
    this.journal.note('', `life ${this.life} begins`)
  }

  /** The process is gone, or the engine has stopped: nothing that was open will be answered. */
  died(how: string): void {
    this.journal.note('', how)
    this.open.clear()
    this.#endMoments()
    for (const submission of this.submissions) if (submission.status === 'open') submission.status = 'unknown'
    this.forgetCalls()
    this.running.clear()
    for (const task of this.tasks.values()) task.crashed()
    for (const [queue, known] of this.paused) this.paused.set(queue, { paused: known.paused, open: 0 })
  }

  /** Dead letters as far as is known, the newest version of each. */
  mayBeDead(): TaskModel[] {
    return [...this.byId.values()].filter(({ now }) => now.allows(state.dead))
  }

  /** The last instant up to a limit at which a task may be due. */
  lastFireAt(limitMs: number): number {
    let last = 0
    for (const { now } of this.tasks.values()) {
      if (!now.allows(state.live)) continue
      for (const { fromAt, toAt } of now.candidates) {
        for (const at of [fromAt, toAt]) if (at > last && at <= limitMs) last = at
      }
    }
    return last
  }

  /** The engine has closed in order: what it had accepted is on disk. */
  closed(): void {
    this.journal.note('', 'closed')
    this.open.clear()
    this.#endMoments()
    this.forgetCalls()
    this.running.clear()
    for (const task of this.tasks.values()) task.closed()
  }

  /** What may have changed the pause of a queue without an answer. */
  pausedNow(queue: string, paused: boolean): void {
    const known = this.paused.get(queue)
    if (known?.paused === true && !paused) this.violate('pause', undefined, `queue ${queue} was paused, and is not now`)
    this.paused.set(queue, { paused, open: 0 })
  }

  // Backups

  /** `clock` is that of the machine on which the backup is looked at later. */
  backupCalled(path: string, clock: CheckerClock): Moment {
    this.journal.note('', `backup? ${path}`)
    const paused = [...this.paused].filter(([, known]) => known.paused).map(([queue]) => queue)
    const moment = new Moment(path, clock, this.tasks.values(), paused)
    this.moments.add(moment)
    this.open.set(moment, `backup ${path}`)
    return moment
  }

  /** The call has its answer. */
  backupAnswered(moment: Moment, text: string): void {
    this.journal.note('', `backup ${moment.path}: ${text}`)
    this.open.delete(moment)
    this.#endMoment(moment)
  }

  /** What the backup of this moment is held against, once the call has its answer or will have none. */
  judgeOf(moment: Moment): Checker {
    return this.#judges.get(moment)!
  }

  #endMoments(): void {
    for (const moment of this.moments) this.#endMoment(moment)
  }

  #endMoment(moment: Moment): void {
    this.moments.delete(moment)
    this.#judges.set(moment, this.#asOf(moment))
    moment.end()
  }

  /** One that knows what a power cut at any time of this moment would have left, and nothing of what came later. */
  #asOf(moment: Moment): Checker {
    const copy = new Checker(this.journal, moment.clock)
    const tasks = new Map<TaskModel, TaskModel>()
    for (const [task, window] of moment.windows) tasks.set(task, task.asOf(window, moment.stopped.has(task)))
    const of = (task: TaskModel): TaskModel => tasks.get(task)!
    const submissions = new Map<Submission, Submission>()
    for (const submission of this.submissions) {
      const mine: Submission = { ...submission, tasks: submission.tasks.map(of) }
      if (mine.tasks.some(({ now }) => now.allows(state.absent)) && mine.status !== 'refused') mine.status = 'unknown'
      submissions.set(submission, mine)
      copy.submissions.push(mine)
    }
    for (const [task, mine] of tasks) {
      copy.tasks.set(mine.spec.tag, mine)
      mine.submission = submissions.get(task.submission)!
      if (task.predecessor !== undefined) mine.predecessor = of(task.predecessor)
      mine.successors.splice(0, Infinity, ...task.successors.map((successor) => submissions.get(successor)!))
      const { attempt } = task
      if (attempt === undefined) continue
      const successor = attempt.successor === undefined ? undefined : submissions.get(attempt.successor)
      mine.attempt = { ...attempt, task: mine, successor }
    }
    for (const [id, task] of this.byId) copy.byId.set(id, of(task))
    for (const queue of moment.paused) copy.paused.set(queue, { paused: true, open: 0 })
    copy.adoptKeys(this, of)
    copy.life = this.life + 1
    copy.wallMax = this.wallMax
    copy.trustedMax = this.trustedMax
    // The view of keys is not part of a backup.
    copy.viewLost()
    return copy
  }

  // Scans

  /**
   * A full listing taken while nothing else went on. Settles every task: what is listed is live or dead with these
   * values, what is not has ended or never was.
   */
  scanned(listed: readonly SeenTask[]): void {
    const seq = this.journal.length
    this.journal.note('', `scan: ${listed.length} tasks`)
    const seenTasks = new Set<TaskModel>()
    const seenIds = new Set<string>()
    for (const seen of listed) {
      const task = this.findTask(seen)
      if (task === undefined) {
        this.violate(
          'nothing made up',
          undefined,
          `the listing has ${seen.id} ${seen.payload}, which was never submitted`,
        )
        continue
      }
      if (seenTasks.has(task)) {
        this.violate('list once', task, `${seen.id} is listed twice`)
        continue
      }
      seenTasks.add(task)
      if (seenIds.has(seen.id)) this.violate('list once', task, `${seen.id} is listed twice`)
      seenIds.add(seen.id)
      this.sameTask(task, seen)
      if (task.id === undefined) this.learnId(task, seen.id, true)
      else this.#notReplaced(task, seen.id)
      const dead = seen.state === 'dead'
      if (!task.now.allows(dead ? state.dead : state.live) && !(dead && this.life > lossesMax)) {
        this.violate(dead ? 'D3 dead letters' : 'D5 ended', task, `is listed as ${seen.state}`)
      }
      if (!dead) this.sameVersion('list', task, task.now, seen)
      task.observed(dead ? state.dead : state.live, seen, seq, this.#named(task, seen))
    }
    for (const task of this.tasks.values()) if (!seenTasks.has(task)) this.#notListed(task)
    this.#checkBatches(seenTasks)
    this.#checkSuccessors(seenTasks)
    this.checkHolders(listed)
    this.endClaims()
  }

  /** Whether it has its key. A dead letter whose key is another's may take it back. */
  #named(task: TaskModel, seen: SeenTask): number {
    const { key } = task.spec
    const before = task.now.named
    if (seen.key !== undefined && seen.key !== key)
      this.violate('same data', task, `has the key ${seen.key}, not ${key}`)
    if (key === undefined) return 0
    if (seen.key === undefined && seen.state === 'dead') return before === named.no ? named.no : named.yes | named.no
    const is = seen.key === undefined ? named.no : named.yes
    if ((before & is) === 0)
      this.violate('one holder', task, `is listed ${seen.key === undefined ? 'without' : 'with'} its key`)
    return is
  }

  /** What may have lived on under its id has never been. */
  #notReplaced(task: TaskModel, id: string): void {
    let later = this.byId.get(id)
    while (later !== undefined && later !== task) {
      const before: TaskModel | undefined = later.predecessor
      this.byId.set(id, task)
      later.id = undefined
      later.predecessor = undefined
      later.known((belief) => {
        belief.states = state.absent
      })
      later = before
    }
  }

  #notListed(task: TaskModel): void {
    let states = task.now.states & ~(state.live | state.dead)
    if (this.mayHaveExpired(task)) states |= task.now.states & (state.live | state.dead) ? state.other : 0
    if (states === 0) {
      this.violate('D1 lost', task, `acknowledged as ${task.id}, and is neither pending nor ended`)
      states = state.absent
    }
    if (states === state.absent && task.id !== undefined && task.submission.status !== 'accepted') {
      if (this.byId.get(task.id) === task) {
        if (task.predecessor === undefined) this.byId.delete(task.id)
        else this.byId.set(task.id, task.predecessor)
      }
      task.predecessor = undefined
      task.id = undefined
    }
    task.known((belief) => {
      belief.states = states
    })
  }

  /** All of a batch or none of it. */
  #checkBatches(seen: ReadonlySet<TaskModel>): void {
    for (const { kind, status, tasks } of this.submissions) {
      if (kind !== 'scheduleMany' || status !== 'unknown') continue
      const present = tasks.find((task) => seen.has(task) || !task.now.allows(state.absent))
      // One with a key may have had no effect but on another.
      const absent = tasks.find((task) => task.now.states === state.absent && task.spec.key === undefined)
      if (present !== undefined && absent !== undefined) {
        this.violate('D2 whole', absent, `is absent, but ${present.spec.tag} of the same batch is there`)
      }
      if (present !== undefined) {
        for (const task of tasks) {
          task.known((belief) => {
            if (belief.states !== state.absent && task.spec.key === undefined) belief.states &= ~state.absent
          })
        }
      }
    }
  }

  /** A successor is there if and only if the success that scheduled it is. */
  #checkSuccessors(seen: ReadonlySet<TaskModel>): void {
    for (const task of this.tasks.values()) {
      if (task.successors.length === 0) continue
      const isThere = (next: TaskModel): boolean => seen.has(next) || !next.now.allows(state.absent)
      const there = task.successors.filter((next) => isThere(next.tasks[0]!))
      if (there.length > 1) this.violate('one successor', task, `has ${there.length} successors`)
      if (there.length > 0 && (seen.has(task) || task.now.states === state.absent)) {
        this.violate('one successor', there[0]!.tasks[0], `is there, but ${task.spec.tag} has not succeeded`)
      }
      const certain = task.now.states === state.succeeded && task.successors.length === 1
      const next = task.successors[0]!.tasks[0]!
      if (
        certain &&
        isSure(task, next) &&
        next.now.states === state.absent &&
        task.attempt?.successor === task.successors[0]
      ) {
        this.violate('one successor', next, `is absent, but ${task.spec.tag} has succeeded`)
      }
      if (seen.has(task)) task.successors.length = 0
    }
  }
}
