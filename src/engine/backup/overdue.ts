/**
 * What becomes of tasks whose time has passed since a backup was made: they may have run since, which only the operator can
 * know. Done on an engine without handlers, before anybody else uses the directory.
 */

import type { ListedTask } from '../../model/hourwheel.ts'
import { decodeId, packId } from '../../model/ids.ts'
import { readBody } from '../../model/records.ts'
import { cancel, withPending } from '../commands/change.ts'
import { list } from '../commands/list.ts'
import { whenRoom, type Core } from '../core.ts'

export type OverdueChoice =
  /** They run at once, again if they have run before. */
  | { readonly what: 'fire' }
  /** Those before this instant are cancelled; later ones run at once. */
  | { readonly what: 'skip-before'; readonly at: number }
  /** They become dead letters, to be redriven or purged one by one. */
  | { readonly what: 'set-aside' }

export interface Settled {
  readonly skipped: number
  readonly setAside: number
}

const atOnce = 512
const setAsideError = 'set aside by restore: its time had passed since the backup was made'

/** `nowMs` is included: what is due then is overdue. */
export async function settleOverdue(
  core: Core,
  choice: OverdueChoice,
  nowMs: number,
  progress: (tasks: number) => void,
): Promise<Settled> {
  if (choice.what === 'fire') return { skipped: 0, setAside: 0 }
  const { what } = choice
  const isMeant = (task: ListedTask): boolean =>
    what === 'skip-before' ? task.fireAt < choice.at : task.fireAt <= nowMs
  let count = 0
  let batch: Promise<void>[] = []
  for await (const task of list(core, { state: 'pending', to: nowMs })) {
    if (!isMeant(task)) continue
    batch.push(what === 'skip-before' ? skip(core, task) : setAside(core, task, nowMs))
    count++
    if (batch.length < atOnce) continue
    await Promise.all(batch)
    batch = []
    progress(count)
  }
  await Promise.all(batch)
  await core.log.whenSynced(core.log.appendedLsn)
  return what === 'skip-before' ? { skipped: count, setAside: 0 } : { skipped: 0, setAside: count }
}

async function skip(core: Core, { id }: ListedTask): Promise<void> {
  await cancel(core, id)
}

async function setAside(core: Core, task: ListedTask, nowMs: number): Promise<void> {
  const { homeHour, ordinal } = decodeId(task.id)!
  const target = (): number => packId(homeHour, ordinal)
  for (;;) {
    const isDone = await withPending(
      core,
      target,
      async (id, row, source) => {
        const { attempt } = readBody(source.bytes, source.at)
        const death = { reason: 'asked', diedAt: nowMs, error: setAsideError, attempt } as const
        if (core.recorder.die(row, source, 'pending', core.lookup.placeHourOf(id), death) !== 0) return true
        await whenRoom(core)
        return false
      },
      () => Promise.resolve(true),
    )
    if (isDone) return
  }
}
