/** Routes that only tell: statistics, calendar, error codes, the OpenAPI document, health, metrics. */

import type { Engine } from '../../model/engine.ts'
import { errorCatalogue, HourwheelError, refuse, type ErrorCode } from '../../model/errors.ts'
import { json, queryOf, type Reply, type RouteHandler } from '../http/call.ts'
import { valid } from '../http/validate.ts'
import { openApiText } from '../../protocol/openapi.ts'
import { instant, noQuery } from './tasks.ts'

export type ReadingRoutes = 'stats' | 'calendar' | 'error' | 'openapi' | 'metrics' | 'healthz' | 'readyz'

export interface ReadingParts {
  readonly engine: Engine
  readonly metrics: { text(): Promise<string>; readonly contentType: string }
  readonly isDraining: () => boolean
}

export function readingRoutes(parts: ReadingParts): Readonly<Record<ReadingRoutes, RouteHandler>> {
  const { engine, metrics } = parts
  return {
    stats: async (call) => {
      noQuery(call)
      return json(await engine.stats())
    },
    calendar: async (call) => {
      const { from, to } = valid('calendarQuery', queryOf(call.query), 'the query')
      return json({ hours: await engine.calendar({ from: instant(from), to: instant(to) }) })
    },
    error: ({ parameters }) => {
      const code = parameters['code'] ?? ''
      if (!Object.hasOwn(errorCatalogue, code)) throw refuse('HW_NOT_FOUND', 'there is no such code')
      return json({ code, ...errorCatalogue[code as ErrorCode] })
    },
    openapi: () => ({ status: 200, body: openApiText() }),
    metrics: async () => ({ status: 200, body: await metrics.text(), type: metrics.contentType }),
    healthz: () => json({ status: 'ok', reasons: [] }),
    readyz: () => ready(parts),
  }
}

async function ready({ engine, isDraining }: ReadingParts): Promise<Reply> {
  const reasons: string[] = []
  if (isDraining()) reasons.push('it is going down')
  try {
    const { clock, wal } = await engine.stats()
    if (clock.held) reasons.push(`firing is held: ${clock.heldBecause ?? 'the clock jumped'}`)
    if (wal.diskFull) reasons.push('the disk is full: new tasks are refused')
  } catch (error) {
    reasons.push(error instanceof HourwheelError ? error.message : 'the engine has stopped')
  }
  return json({ status: reasons.length === 0 ? 'ok' : 'not ready', reasons }, reasons.length === 0 ? 200 : 503)
}
