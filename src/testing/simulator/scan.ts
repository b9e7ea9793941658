/** A full look at an engine that is otherwise left alone: listings, dead letters, counters and calendar must agree. */

import type { Engine } from '../../engine/engine.ts'
import type { DeadView, ListedTask } from '../../model/hourwheel.ts'
import { hourMs } from '../../model/units.ts'
import type { Checker } from '../checker.ts'
import { state } from './belief.ts'
import { queueNames, seenOf } from './workload.ts'

/** Lists everything, tells the checker, and holds counters and calendar against it. `idOf`: the id that the checker knows a task by. */
export async function scan(
  engine: Engine,
  checker: Checker,
  idOf: (id: string) => string = (id) => id,
): Promise<{ live: number; dead: number }> {
  const listed: ListedTask[] = []
  for await (const task of engine.list()) listed.push(task)
  const dead: DeadView[] = []
  for await (const task of engine.deadLetters.list()) dead.push(task)
  const stats = await engine.stats()
  const calendar = await engine.calendar()
  checker.scanned(listed.map((task) => ({ ...seenOf(task), id: idOf(task.id) })))
  checkOrder(checker, listed)
  await checkKeys(engine, checker, listed)
  const deadIds = new Set(dead.map(({ id }) => id))
  const live = listed.filter((task) => task.state !== 'dead')
  if (
    listed.length - live.length !== dead.length ||
    listed.some(({ id, state: is }) => is === 'dead' && !deadIds.has(id))
  ) {
    checker.violate(
      'counts',
      undefined,
      `list has ${listed.length - live.length} dead letters, deadLetters ${dead.length}`,
    )
  }
  if (stats.conservation !== 0) checker.violate('conservation', undefined, `the sum is ${stats.conservation}`)
  for (const name of queueNames) {
    const counters = stats.queues[name]
    const here = listed.filter(({ queue }) => queue === name)
    const count = (is: string): number => here.filter((task) => task.state === is).length
    if (counters === undefined) {
      if (here.length > 0) checker.violate('counts', undefined, `queue ${name} has tasks, but no counters`)
      continue
    }
    checker.pausedNow(name, counters.paused)
    for (const is of ['pending', 'leased', 'dead'] as const) {
      if (counters[is] !== count(is)) {
        checker.violate('counts', undefined, `${name}: ${counters[is]} ${is} counted, ${count(is)} listed`)
      }
    }
    const tasks = [...checker.tasks.values()].filter(({ spec }) => spec.queue === name)
    const bounds = (what: string, value: number, states: number): void => {
      const most = tasks.filter(({ now }) => now.allows(states)).length
      const least = tasks.filter(({ now }) => (now.states & ~states) === 0).length
      if (value < least || value > most) {
        checker.violate('counts', undefined, `${name}: ${value} ${what} counted, but there are ${least} to ${most}`)
      }
    }
    bounds('accepted', counters.accepted, ~state.absent)
    bounds('succeeded', counters.succeeded, state.succeeded)
    bounds('cancelled', counters.cancelled, state.cancelled)
    bounds('purged or expired', counters.purged + counters.expired, state.other)
    bounds('replaced', counters.replaced, state.replaced)
    if (counters.damaged > 0) checker.violate('D6 damage', undefined, `${name}: ${counters.damaged} counted as damaged`)
  }
  checkCalendar(checker, live, calendar)
  return { live: live.length, dead: dead.length }
}

/** What is found by a key is what the listing says has it. */
async function checkKeys(engine: Engine, checker: Checker, listed: readonly ListedTask[]): Promise<void> {
  for (const ref of checker.keysUsed) {
    const holder = listed.find(({ queue, key, state: is }) => queue === ref.queue && key === ref.key && is !== 'dead')
    const found = await engine.get(ref)
    const id = found === undefined || found.state === 'ended' || found.state === 'dead' ? undefined : found.id
    if (id === holder?.id) continue
    const text = `${ref.queue} ${ref.key} is the key of ${holder?.id ?? 'nobody'}, but finds ${id ?? 'nobody'}`
    checker.violate('one holder', checker.byId.get(holder?.id ?? ''), text)
  }
}

function orderAt(task: ListedTask): number {
  return Number(task.cursor.slice(0, task.cursor.indexOf('.')))
}

function checkOrder(checker: Checker, listed: readonly ListedTask[]): void {
  for (let i = 1; i < listed.length; i++) {
    const [before, after] = [listed[i - 1]!, listed[i]!]
    const sorted = orderAt(before) < orderAt(after) || (orderAt(before) === orderAt(after) && before.id < after.id)
    if (!sorted) checker.violate('list order', undefined, `${before.cursor} is listed before ${after.cursor}`)
  }
}

function checkCalendar(
  checker: Checker,
  live: readonly ListedTask[],
  calendar: readonly { hour: number; pending: number }[],
): void {
  const counted = new Map<number, number>()
  for (const task of live) {
    const hour = Math.floor(orderAt(task) / hourMs) * hourMs
    counted.set(hour, (counted.get(hour) ?? 0) + 1)
  }
  for (const { hour, pending } of calendar) {
    if (counted.get(hour) !== pending) {
      checker.violate(
        'calendar',
        undefined,
        `${pending} tasks in hour ${hour}, but ${counted.get(hour) ?? 0} are listed`,
      )
    }
    counted.delete(hour)
  }
  for (const [hour, count] of counted) {
    checker.violate('calendar', undefined, `hour ${hour} is missing, but ${count} tasks are listed in it`)
  }
}

/** A live task that is due by the wall clock, if there is any. */
export async function firstDue(engine: Engine, now: number): Promise<ListedTask | undefined> {
  for await (const task of engine.list({ to: now, limit: 1 })) {
    if (task.state !== 'dead') return task
  }
  for (const state of ['pending', 'leased'] as const) {
    for await (const task of engine.list({ to: now, limit: 1, state })) return task
  }
  return undefined
}
