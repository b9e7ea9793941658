/**
 * Who is let in: before anything of a request is read but its head.
 *
 * - A request with an Origin comes from a web page, and is refused: pages have no business with a daemon on loopback.
 * - Over TCP the Host must be one of ours, or a name that an attacker points at 127.0.0.1 would do (DNS rebinding).
 * - With tokens configured, all but open routes ask for one whose scope reaches far enough.
 */

import type { IncomingMessage } from 'node:http'
import { refuse, type HourwheelError } from '../../model/errors.ts'
import type { Scope } from '../../protocol/routes.ts'
import { rankOf, type Tokens } from '../tokens.ts'

export interface Gate {
  /** Names that Host may have, without ports; undefined on a Unix socket, which no browser reaches. */
  readonly hosts: ReadonlySet<string> | undefined
  readonly tokens: Tokens
}

/** Undefined when the request may go on. */
export function refusalOf(gate: Gate, request: IncomingMessage, scope: Scope): HourwheelError | undefined {
  const { headers } = request
  const site = headers['sec-fetch-site']
  if (headers.origin !== undefined || (site !== undefined && site !== 'none')) {
    return refuse('HW_FORBIDDEN', 'the request comes from a web page; pages are not let in')
  }
  if (gate.hosts !== undefined) {
    const host = hostName(headers.host ?? '')
    if (host === undefined || !gate.hosts.has(host)) {
      return refuse('HW_FORBIDDEN', `the Host of the request is not one of this daemon's; add it to its \`hosts\``)
    }
  }
  if (scope === 'open' || !gate.tokens.areRequired) return undefined
  const { authorization } = headers
  const token = authorization === undefined ? undefined : /^Bearer ([^\s]{1,512})$/iu.exec(authorization)?.[1]
  if (token === undefined) return refuse('HW_UNAUTHORIZED', 'this takes a token: send `Authorization: Bearer <token>`')
  const rank = gate.tokens.rankOf(token)
  if (rank < 0) return refuse('HW_UNAUTHORIZED', 'the token is not known')
  if (rank >= rankOf(scope)) return undefined
  return refuse('HW_FORBIDDEN', `this takes a token of scope ${scope}`, { details: { scope } })
}

/** The name in a Host header, lower case, without port and brackets. */
function hostName(host: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/iu.exec(host)
  return (match?.[1] ?? match?.[2])?.toLowerCase()
}
