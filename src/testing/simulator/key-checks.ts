/**
 * The checker's part about keys: at most one unended task has a key; a call under a key is answered by what may have had it
 * while it was open; who ended is remembered for the key window by the believed clock, and no longer.
 */

import type { KeyRef } from '../../model/hourwheel.ts'
import { endedStates, state, type Belief } from './belief.ts'
import type { SeenReceipt, SeenTask } from './checker-core.ts'
import { heldIt, KeyCall, mayHaveHeldIt, named } from './key-calls.ts'
import { KeyVersions, nameOf } from './key-versions.ts'
import { generationsUnknown, type Submission, type TaskModel, type TaskSpec } from './task-model.ts'

/** Clocks are read at different moments of a step. */
const slackMs = 2_000
const goneStates = endedStates | state.dead

export class KeyChecks extends KeyVersions {
  /** Calls without an answer, by key. */
  readonly #open: Map<string, Set<KeyCall>> = new Map()

  // What there is to a key

  override submit(kind: Submission['kind'], specs: readonly TaskSpec[]): Submission {
    const submission = super.submit(kind, specs)
    for (const task of submission.tasks) {
      if (task.spec.key !== undefined) this.#enter(task, kind !== 'successor')
    }
    return submission
  }

  /** The same call once more, as its outcome was not known. */
  resubmit(task: TaskModel): Submission {
    const submission: Submission = { kind: 'schedule', tasks: [task], status: 'open', life: this.life }
    this.journal.note(task.spec.tag, 'schedule again')
    this.submissions.push(submission)
    this.open.set(submission, `schedule ${task.spec.tag}`)
    task.submission = submission
    const tasks = this.book.get(nameOf(task.spec.queue, task.spec.key!))!
    if (!tasks.includes(task)) tasks.push(task)
    this.#call(task, nameOf(task.spec.queue, task.spec.key!), task.spec.onConflict!)
    if (task.now.allows(state.absent)) {
      task.may((belief) => {
        belief.states |= state.live
      })
    }
    return submission
  }

  #enter(task: TaskModel, isCall: boolean): void {
    const name = nameOf(task.spec.queue, task.spec.key!)
    task.wallMin = this.aheadMs === undefined ? this.sampleWall() : -Infinity
    for (const call of this.#open.get(name) ?? []) call.meets(task)
    if (isCall) this.#call(task, name, task.spec.onConflict!)
    const tasks = this.book.get(name)
    if (tasks === undefined) this.book.set(name, [task])
    else if (!tasks.includes(task)) tasks.push(task)
  }

  #call(own: TaskModel | undefined, name: string, mode: KeyCall['mode']): KeyCall {
    const call = new KeyCall(own, mode, this.journal.length, this.sampleWall())
    for (const task of this.book.get(name) ?? []) if (!this.isFinal(task)) call.meets(task)
    const open = this.#open.get(name)
    if (open === undefined) this.#open.set(name, new Set([call]))
    else open.add(call)
    if (own !== undefined) this.callOf.set(own, call)
    if (own !== undefined && mode === 'replace') this.mayTakeOver(own)
    return call
  }

  protected override replacing(task: TaskModel): readonly TaskModel[] {
    const { queue, key } = task.spec
    if (key === undefined) return []
    const replacements = [...(this.#open.get(nameOf(queue, key)) ?? [])].filter(({ mode }) => mode === 'replace')
    return replacements.flatMap(({ own }) => (own === undefined || own === task ? [] : [own]))
  }

  #close(call: KeyCall, { queue, key }: Pick<TaskSpec, 'queue' | 'key'>, done: readonly TaskModel[] = []): void {
    this.#open.get(nameOf(queue, key!))?.delete(call)
    call.answered(done, this.journal.length)
  }

  // Receipts

  protected override receipt(task: TaskModel, receipt: SeenReceipt): void {
    const call = this.callOf.get(task)
    if (call === undefined) {
      super.receipt(task, receipt)
      return
    }
    const { outcome, id, state: is = '', generation, running = '' } = receipt
    const text = `${outcome} ${id} at ${receipt.fireAt} g${generation} ${is} ${running}`
    this.journal.note(task.spec.tag, `receipt: ${text}`)
    const done =
      outcome === 'created'
        ? this.#created(call, task, receipt)
        : outcome === 'kept'
          ? this.#kept(call, task, receipt)
          : this.#replaced(call, task, receipt)
    this.callOf.delete(task)
    this.#close(call, task.spec, done)
  }

  #heldIt(task: TaskModel, window: Belief): boolean {
    return heldIt(window) && !this.mayHaveExpired(task)
  }

  /** The same but for what the call itself may have done to the task. */
  #heldItBut(call: KeyCall, task: TaskModel, window: Belief): boolean {
    if (call.isPassive) return this.#heldIt(task, window)
    const isNamed = isOnly(task.unnamers, call) && !task.maybeUnnamed && (task.now.named & named.yes) !== 0
    const isWhole = !window.allows(state.replaced) || (isOnly(task.replacers, call) && !task.maybeReplaced)
    return (
      isNamed &&
      isWhole &&
      (window.states & ~state.replaced) === state.live &&
      task.now.allows(state.live) &&
      !this.mayHaveExpired(task)
    )
  }

  #created(call: KeyCall, task: TaskModel, receipt: SeenReceipt): readonly TaskModel[] {
    const runs = receipt.running === undefined ? [] : this.versions(task, receipt.running)
    for (const [other, window] of call.windows) {
      if (this.#heldItBut(call, other, window) && !runs.includes(other)) {
        this.violate('one holder', task, `was created, but ${other.spec.tag} ${other.id} has its key`)
      }
    }
    if (call.isPassive) this.#assertForgotten(call, task, 'was created')
    if (receipt.running !== undefined) {
      if (call.isPassive || !runs.some((other) => mayHaveHeldIt(call.windows.get(other) ?? other.since))) {
        this.violate('receipts', task, `took its key from ${receipt.running}, which did not have it`)
      }
      if (runs.length === 1) {
        runs[0]!.known((belief) => {
          belief.named = named.no
        })
      }
    }
    super.receipt(task, receipt)
    return runs
  }

  #kept(call: KeyCall, task: TaskModel, receipt: SeenReceipt): readonly TaskModel[] {
    const { id, state: is, fireAt, generation } = receipt
    const versions = this.versions(task, id, generation)
    const isOf = is === 'ended' ? endedStates : is === 'dead' ? state.dead : state.live
    const { fireFromAt, fireToAt } = task.spec
    const wrongWay = (call.mode === 'earliest' && fireToAt < fireAt) || (call.mode === 'latest' && fireFromAt > fireAt)
    if (call.mode === 'replace' || call.mode === 'reject' || wrongWay || (!call.isPassive && is !== 'pending')) {
      this.violate('receipts', task, `kept ${id}, ${is} at ${fireAt}, under ${call.mode}`)
    }
    const fitting = versions.filter((other) => {
      const window = call.windows.get(other) ?? other.since
      if (isOf === endedStates && this.mayHaveExpired(other)) return true
      const isSame = isOf !== state.live || (window.allowsFireAt(fireAt) && window.allowsGeneration(generation))
      return mayHaveHeldIt(window, isOf) && isSame
    })
    if (fitting.length === 0) {
      const [other] = versions
      const text = other === undefined ? 'which is nobody' : (call.windows.get(other) ?? other.since).describe()
      this.violate('receipts', task, `kept ${id} as ${is} at ${fireAt}, generation ${generation}: ${text}`)
    }
    if (!fitting.includes(task)) this.#isAbsent(task, 'kept another')
    const [other] = fitting
    if (other === undefined || fitting.length > 1) return []
    if (isOf !== state.live) this.#assertRemembered(call, task, other)
    if (other.id === undefined) this.learnNewId(other, id)
    return []
  }

  #replaced(call: KeyCall, task: TaskModel, receipt: SeenReceipt): readonly TaskModel[] {
    const { id, fireAt, generation } = receipt
    const versions = this.versions(task, id, generation - 1)
    const [other] = versions
    if (call.isPassive) this.violate('receipts', task, `${id} was replaced under ${call.mode}`)
    if (fireAt < task.spec.fireFromAt || fireAt > task.spec.fireToAt) {
      this.violate('receipts', task, `asked for ${task.spec.fireFromAt}, got ${fireAt}`)
    }
    const windows = versions.map((version) => call.windows.get(version) ?? version.since)
    if (!windows.some((window) => mayHaveHeldIt(window) && window.allowsGeneration(generation - 1))) {
      const text = windows[0]?.describe() ?? 'which is nobody'
      this.violate('receipts', task, `replaced ${id}, generation ${generation}: ${text}`)
    }
    if (call.mode !== 'replace') {
      this.#isAbsent(task, 'moved another')
      if (versions.length === 1) call.moved(other!, fireAt, generation, this.journal.length)
      return versions
    }
    this.learnVersion(task, other, id, generation)
    task.generationFirst = generation
    task.known((belief) => {
      belief.states &= ~state.absent
      belief.generationMin = Math.max(belief.generationMin, generation)
      if (belief.generationMax >= generationsUnknown) belief.generationMax += generation - generationsUnknown
    })
    if (versions.length === 1) {
      other!.maybeReplaced = true
      other!.known((belief) => {
        belief.states = state.replaced
      })
    }
    return versions
  }

  #isAbsent(task: TaskModel, why: string): void {
    if (task.starts > 0) this.violate('D2 once', task, `${why}, but it had started`)
    task.known((belief) => {
      belief.states = state.absent
    })
  }

  override rejected(submission: Submission, code: string, outcome: string): void {
    if (code === 'HW_KEY_EXISTS') this.#keyExists(submission)
    super.rejected(submission, code, outcome)
    for (const task of submission.tasks) {
      const call = this.callOf.get(task)
      this.callOf.delete(task)
      if (call !== undefined && outcome !== 'unknown') this.#close(call, task.spec)
    }
  }

  #keyExists(submission: Submission): void {
    const isTaken = submission.tasks.some((task) => {
      const call = this.callOf.get(task)
      if (call?.mode !== 'reject') return false
      return this.tasksWith(task.spec.queue, task.spec.key!).some((other) => {
        if (other === task) return false
        const window = call.windows.get(other) ?? other.since
        return mayHaveHeldIt(window, state.live | goneStates) || this.mayHaveExpired(other)
      })
    })
    if (!isTaken) this.violate('receipts', submission.tasks[0], 'refused as its key exists, but nobody has it')
  }

  /** With a key that may be another's, a success may be without its successor. */
  protected override succeededWith(task: TaskModel, successor: Submission | undefined): void {
    if (successor?.tasks.every((next) => isSure(task, next)) === true) super.succeededWith(task, successor)
  }

  // Memory of those that have ended

  #isRemembered(task: TaskModel): boolean {
    const { now, spec, wallMin } = task
    const isOver = (now.states & ~goneStates) === 0 && now.named === named.yes
    return isOver && Math.max(this.trustedMax, this.sampleWall()) < wallMin + spec.keyWindowMs - slackMs
  }

  /** Whether the outcome of a repeated call can be told. */
  mayRepeat(task: TaskModel): boolean {
    const { states } = task.now
    return states === state.absent || (states & ~(state.live | state.dead)) === 0 || this.#isRemembered(task)
  }

  #assertForgotten(call: KeyCall, task: TaskModel, what: string): void {
    for (const other of this.tasksWith(task.spec.queue, task.spec.key!)) {
      const window = call.windows.get(other)
      const wasOver = window === undefined || ((window.states & ~goneStates) === 0 && window.named === named.yes)
      if (other === task || !wasOver || !this.#isRemembered(other)) continue
      this.violate('key window', task, `${what}, but ${other.spec.tag} ${other.id} has ended within the window`)
    }
  }

  #assertRemembered(call: KeyCall, task: TaskModel, other: TaskModel): void {
    const { endedBy } = other
    if (endedBy === undefined || this.clockIsDoubtful) return
    if (Math.min(call.wallMs, this.sampleWall()) < endedBy + other.spec.keyWindowMs + slackMs) return
    this.violate('key window', task, `kept ${other.spec.tag} ${other.id}, which had ended by ${endedBy}`)
  }

  /** Notes until when a task with a key must have ended, if it has. */
  #noteEnd(task: TaskModel): void {
    if (task.spec.key === undefined || task.endedBy !== undefined) return
    if ((task.now.states & ~goneStates) === 0) task.endedBy = Math.max(this.trustedMax, this.sampleWall())
  }

  override event(name: string, event: Parameters<KeyVersions['event']>[1]): void {
    const task = this.byId.get(event.id)
    const bit = name === 'cancelled' ? state.cancelled : name === 'expired' ? state.other : 0
    const coming = bit === 0 || task?.now.allows(state.replaced) !== true ? [] : this.replacementsOf(task)
    if (coming.length === 0) {
      super.event(name, event)
      if (task !== undefined) this.#noteEnd(task)
      return
    }
    // It may be of one that has replaced it, whose receipt is a moment behind.
    this.journal.note(task!.spec.tag, `event ${name}, of it or of what replaced it`)
    for (const one of [task!, ...coming]) {
      one.may((belief) => {
        belief.states |= bit
      })
    }
  }

  override clockStepped(): number {
    const wallMs = super.clockStepped()
    for (const tasks of this.book.values()) {
      for (const task of tasks) task.wallMin = this.aheadMs === undefined ? Math.min(task.wallMin, wallMs) : -Infinity
    }
    return wallMs
  }

  // Refs by key

  keyCalled({ queue, key }: KeyRef, kind: 'get' | 'cancel'): KeyCall {
    const call = this.#call(undefined, nameOf(queue, key), kind)
    this.open.set(call, `${kind} ${queue} ${key}`)
    this.journal.note('', `${kind}? ${queue} ${key}`)
    return call
  }

  keyAnswered({ queue, key }: KeyRef, call: KeyCall, kind: 'get' | 'cancel', answer: string, id?: string): void {
    this.open.delete(call)
    this.journal.note('', `${kind} ${queue} ${key}: ${answer} ${id ?? ''}`)
    const isLive = ['pending', 'leased', 'cancelled'].includes(answer)
    for (const [task, window] of call.windows) {
      if (!this.#heldIt(task, window) || (isLive && (id === undefined || task.id === undefined || id === task.id)))
        continue
      this.violate('one holder', task, `has its key, but ${kind} by that says ${answer} ${id ?? ''}`)
    }
    if (isLive && ![...call.windows.values()].some((window) => mayHaveHeldIt(window)) && !this.#isNew(queue, key)) {
      this.violate('state table', undefined, `${kind} by ${queue} ${key} says ${answer}: nobody has it`)
    }
    this.#close(call, { queue, key })
  }

  /** A task of this key has come in while a call was open. */
  #isNew(queue: string, key: string): boolean {
    return this.tasksWith(queue, key).some(({ since }) => mayHaveHeldIt(since))
  }

  keyFailed({ queue, key }: KeyRef, call: KeyCall): void {
    this.open.delete(call)
    this.#close(call, { queue, key })
  }

  // Lives and scans

  /**
   * The view of keys is lost between two lives: keys of those that have ended are forgotten, and one that went on without its key
   * may have it again when the other has ended.
   */
  viewLost(): void {
    this.journal.note('', 'the view of keys is lost')
    for (const task of [...this.book.values()].flat()) {
      if (task.now.states !== state.live) task.wallMin = -Infinity
      if (task.now.named !== named.no) continue
      task.maybeUnnamed = true
      task.may((belief) => {
        belief.named |= named.yes
      })
    }
  }

  /** What was open will not be answered. */
  protected override forgetCalls(): void {
    super.forgetCalls()
    this.#open.clear()
    this.callOf.clear()
  }

  /** All that is listed, after the scan has settled what is true of it. */
  protected checkHolders(listed: readonly SeenTask[]): void {
    const holders = new Map<string, SeenTask>()
    for (const seen of listed) {
      if (seen.key === undefined || seen.state === 'dead') continue
      const name = nameOf(seen.queue, seen.key)
      const other = holders.get(name)
      if (other !== undefined) {
        const task = this.tasks.get(seen.tag ?? '')
        this.violate('one holder', task, `${seen.id} and ${other.id} both have the key ${seen.key}`)
      }
      holders.set(name, seen)
    }
    for (const [name, tasks] of this.book) {
      for (const task of tasks) this.#noteEnd(task)
      const kept = tasks.filter(({ now }) => now.states !== state.absent && now.states !== state.replaced)
      this.book.set(name, kept.length > 0 ? kept : tasks.slice(0, 1))
    }
  }
}

/** Whether a success of `task` brings this successor along, whoever has which key. */
export function isSure(task: TaskModel, next: TaskModel): boolean {
  const { key, queue } = next.spec
  if (key === undefined) return true
  return key === task.spec.key && queue === task.spec.queue && task.now.named === named.yes
}

function isOnly(calls: ReadonlySet<object>, call: object): boolean {
  return calls.size === 0 || (calls.size === 1 && calls.has(call))
}
