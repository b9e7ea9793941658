/**
 * Where webhooks may be sent: entries of the start-up configuration, never of a request.
 *
 *     hooks.example.com          this host            *.example.com    every host below it
 *     *                          every public host    localhost        this machine, by that name
 *     10.1.2.3  [fd00::1]        this address         10.1.0.0/16      a network
 *
 * Each is good for the ports 80 and 443, with `:8080` for that port, with `:*` for all. Two things must hold: the host of the
 * URL is listed, by name or, where it is an address, by address; and the address that is connected to is a public one or is
 * listed as an address or network. So a name that is listed does not open what it may be made to point at.
 */

import { BlockList, isIP } from 'node:net'
import { refuse, shown, type HourwheelError } from '../../model/errors.ts'
import { isPublicAddress, plainAddress } from './addresses.ts'

interface Ports {
  /** Undefined: all. */
  readonly ports: readonly number[] | undefined
}

interface NameEntry extends Ports {
  /** In lower case; '' is every host. With `isSuffix` it begins with a dot. */
  readonly name: string
  readonly isSuffix: boolean
}

interface NetEntry extends Ports {
  readonly net: BlockList
}

const defaultPorts = [80, 443]
const nameForm =
  /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

export class AllowList {
  readonly #names: NameEntry[] = []
  readonly #nets: NetEntry[] = []

  /** Refuses an entry that has none of the forms. */
  constructor(entries: readonly string[]) {
    for (const entry of entries) this.#add(entry)
  }

  #add(entry: string): void {
    const wrong = (): HourwheelError =>
      refuse(
        'HW_INVALID_OPTIONS',
        `webhookHosts: ${shown(entry)} is none of host, *.domain, *, address, network/bits, each perhaps with :port or :*`,
        { details: { field: 'webhookHosts' } },
      )
    if (typeof entry !== 'string') throw wrong()
    const match =
      /^(\[[^\]]+\](?:\/\d{1,3})?|[^:]+|[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*(?:\/\d{1,3})?)(?::(\d{1,5}|\*))?$/i.exec(
        entry.trim(),
      )
    if (match === null) throw wrong()
    const port = match[2]
    if (port !== undefined && port !== '*' && (Number(port) < 1 || Number(port) > 65_535)) throw wrong()
    const ports = port === '*' ? undefined : port === undefined ? defaultPorts : [Number(port)]
    const [host = '', bits] = match[1]!.replace(/^\[([^\]]+)\]/, '$1').split('/')
    const plain = plainAddress(host)
    const family = isIP(plain)
    if (family !== 0) {
      const most = family === 4 ? 32 : 128
      const prefix = bits === undefined ? most : Number(bits)
      if (!Number.isInteger(prefix) || prefix > most) throw wrong()
      const net = new BlockList()
      net.addSubnet(plain, prefix, family === 4 ? 'ipv4' : 'ipv6')
      this.#nets.push({ net, ports })
      return
    }
    if (bits !== undefined) throw wrong()
    const name = host.startsWith('*') ? host.toLowerCase() : plainName(host)
    if (name === '*') this.#names.push({ name: '', isSuffix: true, ports })
    else if (name.startsWith('*.') && nameForm.test(name.slice(2))) {
      this.#names.push({ name: name.slice(1), isSuffix: true, ports })
    } else if (nameForm.test(name) && !/^[\d.]+$/.test(name)) this.#names.push({ name, isSuffix: false, ports })
    else throw wrong()
  }

  /** Throws HW_WEBHOOK_REFUSED when the host of a URL is not listed. Says nothing of where its name points. */
  checkUrl(url: URL): void {
    const port = portOf(url)
    const host = plainName(url.hostname)
    const address = plainAddress(host)
    const isListed = isIP(address) === 0 ? this.#namesHost(host, port) : this.allowsAddress(address, host, port)
    if (isListed) return
    const entry = `${host}${defaultPorts.includes(port) ? '' : `:${port}`}`
    throw refuse(
      'HW_WEBHOOK_REFUSED',
      `webhooks may not be sent to ${entry}: it is not on the list the daemon was started with (webhookHosts)`,
      { details: { host, port } },
    )
  }

  /** Whether a connection may be made to this address, for a host that is listed. */
  allowsAddress(address: string, host: string, port: number): boolean {
    const plain = plainAddress(address)
    const family = isIP(plain) === 4 ? 'ipv4' : 'ipv6'
    if (this.#nets.some(({ net, ports }) => has(ports, port) && net.check(plain, family))) return true
    const name = plainName(host)
    // This one name means this machine, whoever answers for it.
    if (name === 'localhost') return this.#namesHost(name, port) && (plain === '::1' || plain.startsWith('127.'))
    // An address in a URL is no name: '*' opens public ones, as it does for names.
    return isPublicAddress(plain) && (isIP(plainAddress(name)) === 0 || this.#namesHost(name, port))
  }

  #namesHost(host: string, port: number): boolean {
    return this.#names.some(
      ({ name, isSuffix, ports }) =>
        has(ports, port) && (isSuffix ? host.endsWith(name) && host !== 'localhost' : host === name),
    )
  }
}

function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
}

function has(ports: readonly number[] | undefined, port: number): boolean {
  return ports === undefined || ports.includes(port)
}

function plainName(host: string): string {
  return host.toLowerCase().replace(/\.$/, '')
}
