/**
 * list: live tasks and dead letters in fire order, page by page. A page is a moment's view of what comes after its cursor;
 * tasks that move or end while the listing goes on are seen once, or not, but never twice in one page.
 */

import { parseListInput, type ParsedList } from '../../model/call-inputs.ts'
import { refuse } from '../../model/errors.ts'
import type { ListedTask, ListInput, LiveState } from '../../model/hourwheel.ts'
import { decodeId, homeHourOf, ordinalOf, packId } from '../../model/ids.ts'
import { hourMs, hourOf } from '../../model/units.ts'
import { tier } from '../../wheel/task-table.ts'
import { whenDurable, type Core } from '../core.ts'
import { told } from '../lifecycle.ts'
import { viewOf } from '../views.ts'
import { ListedBodies } from './listed-bodies.ts'

/** Pages grow while a listing goes on: each looks through all rows, and opens the segments of its hours again. */
const pageTasksMin = 256
const pageTasksMax = 4_096

interface Filter {
  readonly queue: number | undefined
  readonly state: LiveState | undefined
  readonly fromAt: number
  readonly toAt: number
}

interface Key {
  readonly at: number
  readonly id: number
}

/** What is looked for: the first `count` keys after one. */
interface Page {
  readonly filter: Filter
  readonly after: Key
  readonly count: number
  /** Takes in the bytes that are met on the way. */
  readonly bodies: ListedBodies
}

export async function* list(core: Core, input: ListInput = {}): AsyncGenerator<ListedTask, void, undefined> {
  core.assertOpen()
  const parsed = parseListInput(input)
  const filter = filterOf(core, parsed)
  if (filter === undefined) return
  let after = parseCursor(input.cursor)
  let left = parsed.limit
  for (let pageTasks = pageTasksMin; left > 0; pageTasks = Math.min(pageTasks * 2, pageTasksMax)) {
    core.assertOpen()
    const bodies = new ListedBodies(core)
    const keys = await told(keysOf(core, { filter, after, count: Math.min(left, pageTasks), bodies }))
    await told(bodies.readFromLog(keys.map(({ id }) => id)))
    for (const key of keys) {
      after = key
      const view = await told(viewAt(core, key, filter, bodies))
      if (view === undefined) continue
      left--
      yield view
    }
    if (keys.length === 0) return
  }
}

async function viewAt(core: Core, key: Key, filter: Filter, bodies: ListedBodies): Promise<ListedTask | undefined> {
  const homeHour = homeHourOf(key.id)
  const ordinal = ordinalOf(key.id)
  for (;;) {
    core.assertOpen()
    const state = core.ledger.stateOf(homeHour, ordinal)
    const wanted = state !== 'missing' && state !== 'ended' && (filter.state === undefined || filter.state === state)
    if (!wanted) return undefined
    const source =
      state === 'dead' ? await core.lookup.dead(key.id) : (bodies.of(key.id) ?? (await core.lookup.live(key.id)))
    if (source === 'damaged') return undefined
    // It changed its place while it was being read: look again.
    if (source === undefined || core.ledger.stateOf(homeHour, ordinal) !== state) continue
    const view = viewOf(core, source, state)
    return whenDurable(core, core.log.appendedLsn, { ...view, cursor: `${key.at}.${view.id}` })
  }
}

/** The keys (orderAt, id) of a page, of rows, segments and dead letters together. */
async function keysOf(core: Core, page: Page): Promise<Key[]> {
  const { filter, after, count } = page
  const { tiers, ledger } = core
  const { table } = tiers
  const keys: Key[] = []
  // The last of the page as it was when it was cut: what comes after it need not be looked at, or sorted.
  let last: Key | undefined
  const offer = (at: number, id: number): void => {
    if (at < after.at || (at === after.at && id <= after.id)) return
    if (at < filter.fromAt || at > filter.toAt) return
    if (last !== undefined && (at > last.at || (at === last.at && id > last.id))) return
    keys.push({ at, id })
    if (keys.length < count * 8) return
    cut(keys, count)
    last = keys[count - 1]
  }
  if (filter.state !== 'dead') {
    for (let row = 0; row < table.capacity; row++) {
      if (table.tier[row] === tier.free) continue
      if (filter.queue !== undefined && table.queue[row] !== filter.queue) continue
      offer(tiers.orderAt(row), tiers.idOf(row))
    }
  }
  if (filter.state === undefined || filter.state === 'dead') {
    for (const dead of ledger.dead.values()) {
      if (filter.queue !== undefined && dead.queue !== filter.queue) continue
      offer(dead.placeHour * hourMs, dead.id)
    }
  }
  cut(keys, count)
  if (filter.state === 'dead' || filter.state === 'leased') return keys
  await addFromSegments(core, page, keys)
  cut(keys, count)
  return keys
}

/** Adds keys from segments, hour by hour, until the page is full of keys at or before the hour reached. */
async function addFromSegments(core: Core, { filter, after, count, bodies }: Page, keys: Key[]): Promise<void> {
  const { ledger, segments, tiers } = core
  const fromHour = hourOf(Math.max(0, after.at, filter.fromAt))
  const hours = [...ledger.hours.values()]
    .filter((hour) => hour.live > 0 && hour.hour >= fromHour)
    .map((hour) => hour.hour)
    .sort((a, b) => a - b)
  for (const hour of hours) {
    if (hour * hourMs > filter.toAt) return
    const last = keys.length >= count ? keys[count - 1] : undefined
    if (last !== undefined && hourOf(last.at) < hour) return
    const merge = await segments.openMerge(hour, after.at, after.id)
    try {
      for (let found = 0; found < count; merge.advance()) {
        if (merge.needsFill) await merge.fill()
        const entry = merge.current
        if (entry === undefined || entry.placeHour !== hour || entry.orderAt > filter.toAt) break
        if (filter.queue !== undefined && entry.queue !== filter.queue) continue
        if (entry.orderAt < filter.fromAt) continue
        if (!ledger.copyCounts(entry.homeHour, entry.ordinal, hour, entry.lsn)) continue
        // A row of this very version came after the rows were looked through: it was promoted meanwhile.
        const row = tiers.rowOf(entry.homeHour, entry.ordinal)
        if (row >= 0 && tiers.table.lsn[row] !== entry.lsn) continue
        const id = packId(entry.homeHour, entry.ordinal)
        keys.push({ at: entry.orderAt, id })
        bodies.add(id, entry, hour)
        found++
      }
    } finally {
      await segments.closeMerge(merge)
    }
    cut(keys, count)
  }
}

/** Keeps the `count` smallest keys, sorted, each once. */
function cut(keys: Key[], count: number): void {
  keys.sort((a, b) => a.at - b.at || a.id - b.id)
  let kept = 0
  for (let i = 0; i < keys.length && kept < count; i++) {
    if (kept > 0 && keys[i]!.id === keys[kept - 1]!.id) continue
    keys[kept++] = keys[i]!
  }
  keys.length = kept
}

/** Undefined for a queue that nobody knows. */
function filterOf(core: Core, { queue: name, state, from = -Infinity, to = Infinity }: ParsedList): Filter | undefined {
  const queue = name === undefined ? undefined : core.ledger.queueByName.get(name)
  if (name !== undefined && queue === undefined) return undefined
  return { queue: queue?.number, state, fromAt: from, toAt: to }
}

function parseCursor(cursor: unknown): Key {
  if (cursor === undefined) return { at: -Infinity, id: -1 }
  const match = typeof cursor === 'string' ? /^(\d{1,16})\.([0-9a-z]{14})$/u.exec(cursor) : null
  const decoded = match === null ? undefined : decodeId(match[2]!)
  if (match === null || decoded === undefined) {
    throw refuse('HW_INVALID_OPTIONS', 'cursor must be the cursor of a task from an earlier listing')
  }
  return { at: Number(match[1]), id: packId(decoded.homeHour, decoded.ordinal) }
}
