/**
 * Connects to where webhooks may go, and nowhere else. A name is resolved once for each connection; of the addresses it has only
 * those that are allowed are handed to the socket, which resolves nothing itself: a name that answers differently the next time
 * changes nothing. TLS still sees the name (SNI, certificate), and so does the Host header.
 */

import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { isIP } from 'node:net'
import { buildConnector } from 'undici'
import { refuse, type HourwheelError } from '../../model/errors.ts'
import { plainAddress } from './addresses.ts'
import type { AllowList } from './allow-list.ts'

type Lookup = (host: string) => Promise<LookupAddress[]>
type NodeLookup = (
  host: string,
  options: LookupOptions,
  done: (error: Error | null, found?: string | LookupAddress[], family?: number) => void,
) => void

/** The system's own resolver. It blocks one of few threads, so a host is asked for once at a time. */
export function sharedLookup(): Lookup {
  const asked = new Map<string, Promise<LookupAddress[]>>()
  return (host) => {
    const known = asked.get(host)
    if (known !== undefined) return known
    const answer = new Promise<LookupAddress[]>((resolve, reject) => {
      systemLookup(host, { all: true }, (error, found) => (error === null ? resolve(found) : reject(error)))
    }).finally(() => asked.delete(host))
    asked.set(host, answer)
    return answer
  }
}

/** All addresses of a name are tried; HTTP/2 says nothing that is of use here. */
const plain = { autoSelectFamily: true, allowH2: false } as const

export function guardedConnector(
  allow: AllowList,
  lookup: Lookup,
  options: { readonly timeout: number; readonly ca?: string },
): buildConnector.connector {
  const lookupFor =
    (port: number): NodeLookup =>
    (name, asked, done) => {
      lookup(name).then(
        (found) => {
          const allowed = found.filter(({ address }) => allow.allowsAddress(address, name, port))
          if (allowed.length === 0) done(refusal(name, addressesOf(found)))
          else if (asked.all === true) done(null, allowed)
          else done(null, allowed[0]!.address, allowed[0]!.family)
        },
        (error: unknown) => done(error as Error),
      )
    }
  /** By port; each keeps the sessions of TLS for the next connection. */
  const connectors = new Map<number, buildConnector.connector>()
  const connectorFor = (port: number): buildConnector.connector => {
    const made = connectors.get(port) ?? buildConnector({ ...options, lookup: lookupFor(port) as never, ...plain })
    connectors.set(port, made)
    return made
  }
  return (target, connected) => {
    const host = plainAddress(target.hostname)
    const port = Number(target.port === '' ? (target.protocol === 'https:' ? 443 : 80) : target.port)
    // Of an address in the URL the socket asks no one.
    if (isIP(host) === 0 || allow.allowsAddress(host, host, port)) connectorFor(port)(target, connected)
    else connected(refusal(host, [host]), null)
  }
}

function addressesOf(found: readonly LookupAddress[]): string[] {
  return found.map(({ address }) => address)
}

function refusal(host: string, addresses: readonly string[]): HourwheelError {
  const where = addresses.length === 0 ? 'nowhere' : addresses.join(', ')
  return refuse(
    'HW_WEBHOOK_REFUSED',
    `${host} points at ${where}, which no webhook may reach unless the address is listed (webhookHosts)`,
    { details: { host } },
  )
}
