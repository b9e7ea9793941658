/**
 * The daemon's events, as server-sent events, over lost connections: each time with the id of the last event that was seen, so
 * that the daemon goes on from there or says `gap`. Ends with the caller's signal, or by leaving the loop.
 */

import { HourwheelError } from '../model/errors.ts'
import { checkFields } from '../model/fields.ts'
import type { EngineEvents } from '../model/engine-reports.ts'
import { checkQueueName } from '../model/names.ts'
import { eventsRetryMs, pathOf } from '../protocol/routes.ts'
import type { Transport } from './transport.ts'

export interface EventsInput {
  queue?: string | undefined
  /** Names of events; all when not given. */
  types?: readonly (keyof EngineEvents)[] | undefined
  /** The id of the last event that was seen. */
  since?: string | undefined
  signal?: AbortSignal | undefined
}

/** An event with an id of its own (`id` is the task's), and 'gap': some may have been missed between `since` and the next event. */
export type ClientEvent =
  | {
      [Name in keyof EngineEvents]: { readonly type: Name; readonly eventId: string } & EngineEvents[Name]
    }[keyof EngineEvents]
  | { readonly type: 'gap'; readonly since: string }

export async function* events(transport: Transport, input: EventsInput): AsyncGenerator<ClientEvent, void, undefined> {
  const given = checkFields(input, ['queue', 'types', 'since', 'signal'], 'events') as EventsInput
  const { queue, types, signal } = given
  const query = { queue: queue === undefined ? undefined : checkQueueName(queue), types: types?.join(',') }
  let last = given.since
  // Leaving the loop ends the request, too.
  const leaving = new AbortController()
  const leave = (): void => leaving.abort(signal?.reason)
  signal?.addEventListener('abort', leave)
  if (signal?.aborted === true) leave()
  try {
    while (!leaving.signal.aborted) {
      try {
        const headers: Record<string, string> = last === undefined ? {} : { 'last-event-id': last }
        const request = { route: 'events', path: pathOf('events', {}, query), headers, signal: leaving.signal } as const
        for await (const event of parse(transport.stream(request))) {
          if (event.type !== 'gap') last = event.eventId
          yield event
        }
      } catch (error) {
        if (leaving.signal.aborted) return
        if (!mayPass(error)) throw error
      }
      await pause(leaving.signal)
    }
  } finally {
    signal?.removeEventListener('abort', leave)
    leaving.abort()
  }
}

/** The daemon may be back soon: everything but a refusal of the request itself. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof HourwheelError)) return false
  const { code } = error
  return code === 'HW_UNREACHABLE' || code === 'HW_OUTCOME_UNKNOWN' || error.retryAfterMs !== undefined
}

async function* parse(lines: AsyncIterable<string>): AsyncGenerator<ClientEvent, void, undefined> {
  let id = ''
  let type = ''
  let data = ''
  for await (const line of lines) {
    if (line === '') {
      if (type !== '' && data !== '') {
        const fields = JSON.parse(data) as object
        yield (type === 'gap' ? { type, ...fields } : { type, eventId: id, ...fields }) as ClientEvent
      }
      type = ''
      data = ''
      continue
    }
    const colon = line.indexOf(':')
    const value = line.slice(colon + 1).replace(/^ /, '')
    if (colon > 0) {
      const field = line.slice(0, colon)
      if (field === 'id') id = value
      else if (field === 'event') type = value
      else if (field === 'data') data += value
    }
  }
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, eventsRetryMs)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}
