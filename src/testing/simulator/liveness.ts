/** What is due is delivered: soon, when nothing is wrong with disk and clock, and all of it at the end of a run. */

import type { ListedTask } from '../../model/hourwheel.ts'
import { secondMs } from '../../model/units.ts'
import type { Life } from './life.ts'
import { firstDue } from './scan.ts'
import { queueNames } from './workload.ts'

/** A simulation that takes more events than this will never end. */
export const eventsMax = 3_000_000

/** With healthy handlers, all that is due is delivered soon, whatever the clock has gone through. */
export async function catchUp(life: Life): Promise<void> {
  const { machine, checker } = life.world
  const { loop, clock } = machine
  life.healthy = true
  for (const queue of queueNames) life.handling.listen(queue, 100)
  life.resumeAll()
  let late: ListedTask | undefined
  for (let tries = 0; tries < 40 && !life.over; tries++) {
    await loop.advanceBy(2 * secondMs, { eventsMax })
    if (life.over) return
    const before = clock.wallMs() - secondMs
    late = undefined
    let done = false
    const look = async (): Promise<void> => {
      for await (const task of life.engine.list()) if (task.state !== 'dead' && task.fireAt <= before) late ??= task
    }
    look().then(
      () => (done = true),
      () => (done = true),
    )
    await loop.runUntil(() => done || life.over, { eventsMax })
    for (const queue of queueNames) life.handling.listen(queue, 100)
    if (late === undefined) return
  }
  if (life.over) return
  const task = checker.byId.get(late?.id ?? '')
  checker.violate('liveness', task, `is due and was not delivered: ${JSON.stringify(late)}`)
}

export async function untilEmpty(life: Life): Promise<void> {
  const { machine, checker } = life.world
  const { loop } = machine
  const ask = <T>(question: Promise<T>): Promise<T> => loop.run(question, { eventsMax })
  // What was scheduled by a clock that was years ahead stays where it is.
  let left = true
  for (let seconds = 0; seconds < 240 && left; seconds++) {
    await loop.advanceBy(secondMs, { eventsMax })
    left = (await ask(firstDue(life.engine, machine.clock.wallMs()))) !== undefined
  }
  if (!left) return
  const stats = await ask(life.engine.stats())
  const first = await ask(firstDue(life.engine, machine.clock.wallMs()))
  const task = checker.byId.get(first?.id ?? '')
  checker.violate('liveness', task, `is due and was not delivered: ${JSON.stringify(first)} ${JSON.stringify(stats)}`)
}
