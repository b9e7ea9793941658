/** The daemon's log: lines of JSON on standard output, without secrets. */

import { pino, type Logger } from 'pino'

/** `level` is one of pino's. */
export function makeLog(level: string): Logger {
  return pino({
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    // Nothing logs headers; should something ever do, these stay out.
    redact: [
      'headers.authorization',
      'req.headers.authorization',
      '*.authorization',
      '*.secrets',
      '*.token',
      '*.tokens',
    ],
  })
}
