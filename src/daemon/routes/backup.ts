/** The route of backups: under a name, into the one directory that the start-up configuration allows, one at a time. */

import { join } from 'node:path'
import type { Engine } from '../../model/engine.ts'
import { HourwheelError, refuse } from '../../model/errors.ts'
import { json, problem, type RouteHandler } from '../http/call.ts'
import { allowSilence } from '../http/idle-connections.ts'
import { validBody } from '../http/validate.ts'

export function backupRoute(engine: Engine, directory: string | undefined): RouteHandler {
  let isRunning = false
  return async ({ body, request }) => {
    const { name } = validBody('backupRequest', body)
    if (directory === undefined) {
      throw refuse('HW_FORBIDDEN', 'this daemon has no directory for backups: start it with --backup-dir')
    }
    if (isRunning) throw refuse('HW_OVERLOADED', 'a backup is being made already', { retryAfterMs: 10_000 })
    isRunning = true
    const endSilence = allowSilence(request.socket)
    try {
      return json(await engine.backup(join(directory, name)), 201)
    } catch (error) {
      // Elsewhere the code tells of the daemon's own directory; here it is the name that was asked for.
      if (error instanceof HourwheelError && error.details.isTaken === true) return problem(error, { status: 409 })
      throw error
    } finally {
      endSilence()
      isRunning = false
    }
  }
}
