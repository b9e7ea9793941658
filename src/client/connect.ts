/** From what a caller says of a daemon to a client of it. Nothing is sent before the first call. */

import { parseDurationWithin, type Duration } from '../model/durations.ts'
import { refuse, shown, type HourwheelError } from '../model/errors.ts'
import { checkFields } from '../model/fields.ts'
import type { AnyQueues } from '../model/typed-queues.ts'
import { Client } from './client.ts'
import { Transport } from './transport.ts'

/** Exactly one of `url` and `socket`. */
export interface ConnectOptions {
  /** Such as http://127.0.0.1:7420, or https: through a proxy, perhaps with a path before /v1. */
  url?: string | undefined
  /** Path of the daemon's Unix socket. */
  socket?: string | undefined
  /** Or a function that is asked before each request, so that tokens can be rotated. */
  token?: string | (() => string) | undefined
  /** How long the daemon may take to answer. Default 30 s. */
  timeout?: Duration | undefined
  /** PEM certificates to trust instead of the usual ones. */
  ca?: string | undefined
}

export function connect<Queues = AnyQueues>(options: ConnectOptions): Client<Queues> {
  const { url, socket, token, timeout, ca } = checkFields(
    options,
    ['url', 'socket', 'token', 'timeout', 'ca'],
    'connect',
  ) as ConnectOptions
  if ((url === undefined) === (socket === undefined)) throw refused('give one of url and socket')
  if (ca !== undefined && typeof ca !== 'string') throw refused('ca must be text: PEM certificates')
  if (token !== undefined && typeof token !== 'string' && typeof token !== 'function') {
    throw refused('token must be text, or a function that gives it')
  }
  return new Client<Queues>(
    new Transport({
      url: url === undefined ? new URL('http://localhost') : checkUrl(url),
      socketPath: socket === undefined ? undefined : checkSocket(socket),
      token: () => checkToken(typeof token === 'function' ? token() : token),
      ca,
      timeoutMs: parseDurationWithin(timeout ?? '30s', 'timeout', 10, 600_000),
      name: `the daemon at ${socket ?? url ?? ''}`,
    }),
  )
}

function checkUrl(text: unknown): URL {
  let url: URL | undefined
  try {
    url = new URL(String(text))
  } catch {
    // Said below.
  }
  const isUsable = url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === ''
  if (!isUsable) throw refused(`url is ${shown(text)}; give one such as http://127.0.0.1:7420`)
  if (url!.username !== '' || url!.password !== '') throw refused('url has a password; give a token instead')
  return url!
}

function checkSocket(path: unknown): string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path
  throw refused('socket must be the path of a Unix socket')
}

/** Never shown. */
function checkToken(token: unknown): string | undefined {
  if (token === undefined) return undefined
  if (typeof token === 'string' && /^[\x21-\x7e]{1,512}$/.test(token)) return token
  throw refused('the token is not 1 to 512 visible ASCII characters')
}

function refused(why: string): HourwheelError {
  return refuse('HW_INVALID_OPTIONS', `connect: ${why}`)
}
