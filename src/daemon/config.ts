/**
 * The daemon's configuration, from what was given to what is used: checked as a whole before anything is opened, so that
 * `check-config` and `serve` say the same. Refused with HW_INVALID_CONFIG, which names the setting and where it came from.
 *
 * Does not read tokens or certificates: what may change while the daemon runs is read where it is used.
 */

import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { parseDuration } from '../model/durations.ts'
import type { EngineOptions } from '../model/engine.ts'
import { HourwheelError, refuse, shown } from '../model/errors.ts'
import { isPlainObject } from '../model/fields.ts'
import { limits } from '../model/limits.ts'
import { daemonSettings, environmentName, flagName, settingNames, type SettingName } from './settings.ts'

export interface DaemonConfig {
  readonly dir: string
  /** Undefined: no Unix socket. */
  readonly socket: string | undefined
  readonly listen: { readonly host: string; readonly port: number } | undefined
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
  readonly tokenFile: string | undefined
  readonly tokens: string | undefined
  readonly hosts: readonly string[]
  readonly handlers: string | undefined
  readonly webhookHosts: readonly string[]
  readonly webhookSecretsFile: string | undefined
  readonly backupDir: string | undefined
  readonly logLevel: string
  readonly drainMs: number
  readonly engine: Omit<EngineOptions, 'queues'>
  readonly connectionsMax: number
  readonly bodyBytesInFlightMax: number
  readonly eventsKept: number
  readonly metricsQueuesMax: number
}

/** Values as given: text from flags and environment, JSON from a file. */
export type GivenSettings = { readonly [name in SettingName]?: unknown }

interface Value {
  readonly value: unknown
  readonly from: string
}

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']
/** The kernel's limit of a socket's path, without its final zero. */
const socketPathBytesMax = 103

/** Merges flags, environment and the file that one of them names. */
export async function readConfig(
  flags: GivenSettings,
  environment: Readonly<Record<string, string | undefined>>,
  file: string | undefined,
): Promise<DaemonConfig> {
  const values: Partial<Record<SettingName, Value>> = {}
  if (file !== undefined) {
    for (const [name, value] of Object.entries(await readSettingsFile(file))) {
      if (value !== undefined) values[name as SettingName] = { value, from: `${name} in ${file}` }
    }
  }
  for (const name of settingNames) {
    const variable = environmentName(name)
    const value = environment[variable]
    if (value !== undefined && value !== '') values[name] = { value, from: variable }
  }
  for (const name of settingNames) {
    if (flags[name] !== undefined) values[name] = { value: flags[name], from: flagName(name) }
  }
  return configOf(values)
}

/** Variables that begin like ours and mean nothing: typing errors, most likely. */
export function unknownVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  const ofOthers = ['HOURWHEEL_URL', 'HOURWHEEL_TOKEN', 'HOURWHEEL_CONTEXT', 'HOURWHEEL_CONFIG']
  const known = new Set([...settingNames.map(environmentName), ...ofOthers])
  return Object.keys(environment).filter((name) => name.startsWith('HOURWHEEL_') && !known.has(name))
}

async function readSettingsFile(file: string): Promise<GivenSettings> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw refuse('HW_INVALID_CONFIG', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw refuse('HW_INVALID_CONFIG', `${file} is not JSON: ${(cause as Error).message}`, { cause })
  }
  if (!isPlainObject(value)) throw refuse('HW_INVALID_CONFIG', `${file} must hold a JSON object of settings`)
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(daemonSettings, name)) continue
    throw refuse('HW_INVALID_CONFIG', `${file} has a setting ${shown(name)}; there are ${settingNames.join(', ')}`, {
      details: { field: name },
    })
  }
  return value
}

function configOf(values: Partial<Record<SettingName, Value>>): DaemonConfig {
  const text = (name: SettingName): string | undefined => {
    const found = values[name]
    if (found === undefined) return undefined
    if (typeof found.value === 'string' && found.value !== '' && !found.value.includes('\0')) return found.value
    throw refused(name, found, 'give text')
  }
  const path = (name: SettingName): string | undefined => {
    const given = text(name)
    return given === undefined ? undefined : resolve(given)
  }
  const list = (name: SettingName): readonly string[] => {
    const found = values[name]
    if (found === undefined) return []
    const parts = typeof found.value === 'string' ? found.value.split(',') : found.value
    if (Array.isArray(parts) && parts.every((part) => typeof part === 'string')) {
      return parts.map((part) => part.trim()).filter((part) => part !== '')
    }
    throw refused(name, found, 'give texts, separated by commas')
  }
  const whole = <Otherwise extends number | undefined>(
    name: SettingName,
    otherwise: Otherwise,
    min: number,
    max: number,
    parse: (text: string) => number = Number,
  ): number | Otherwise => {
    const found = values[name]
    if (found === undefined) return otherwise
    const value = typeof found.value === 'string' ? parse(found.value) : found.value
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value
    throw refused(
      name,
      found,
      `give a whole number from ${min} to ${max}${parse === Number ? '' : ", such as '64MiB'"}`,
    )
  }
  const durationMs = <Otherwise extends number | undefined>(
    name: SettingName,
    otherwise: Otherwise,
  ): number | Otherwise => {
    const found = values[name]
    if (found === undefined) return otherwise
    try {
      return parseDuration(numeric(found.value), name)
    } catch (error) {
      throw refused(name, found, error instanceof HourwheelError ? error.message : String(error))
    }
  }
  const dir = path('dir')
  if (dir === undefined) {
    throw refuse('HW_INVALID_CONFIG', 'dir is missing: say where the data is kept, with --dir or HOURWHEEL_DIR', {
      details: { field: 'dir' },
    })
  }
  const logLevel = text('logLevel') ?? 'info'
  if (!logLevels.includes(logLevel)) throw refused('logLevel', values.logLevel!, `give one of ${logLevels.join(', ')}`)
  const config: DaemonConfig = {
    dir,
    socket: socketOf(values.socket, path('socket'), dir),
    listen: listenOf(values.listen, text('listen')),
    tls: tlsOf(path('tlsCert'), path('tlsKey')),
    tokenFile: path('tokenFile'),
    tokens: text('tokens'),
    hosts: list('hosts').map((host) => host.toLowerCase()),
    handlers: path('handlers'),
    webhookHosts: list('webhookHosts'),
    webhookSecretsFile: path('webhookSecretsFile'),
    backupDir: path('backupDir'),
    logLevel,
    drainMs: durationMs('drain', 10_000),
    engine: {
      dir,
      // What is not given has the engine's own default.
      nearBytesMax: whole('nearBytesMax', undefined, 64 << 10, 2 ** 40, parseBytes),
      ahead: durationMs('ahead', undefined),
      walFileBytes: whole('walFileBytes', undefined, 8 << 10, 256 << 20, parseBytes),
      walFilesMax: whole('walFilesMax', undefined, 1, 64),
      payloadBytesMax: whole('payloadBytesMax', undefined, 0, limits.payloadBytesHardMax, parseBytes),
      keyWindow: durationMs('keyWindow', undefined),
      clock: {
        forwardJumpMax: durationMs('forwardJumpMax', undefined),
        downtimeMax: durationMs('downtimeMax', undefined),
      },
    },
    connectionsMax: whole('connectionsMax', 1_024, 1, 65_536),
    bodyBytesInFlightMax: whole('bodyBytesInFlightMax', 64 << 20, 1 << 20, 2 ** 34, parseBytes),
    eventsKept: whole('eventsKept', 10_000, 1, 1_000_000),
    metricsQueuesMax: whole('metricsQueuesMax', 100, 0, 10_000),
  }
  checkExposure(config)
  return config
}

/** Beyond this machine only with tokens and TLS. */
function checkExposure({ listen, tls, tokenFile, tokens, socket }: DaemonConfig): void {
  if (listen === undefined && socket === undefined) {
    throw refuse('HW_INVALID_CONFIG', 'nothing to listen on: give --listen, or leave out --socket none')
  }
  if (listen === undefined || isLoopback(listen.host)) return
  const where = `listen is ${listen.host}:${listen.port}, which others can reach`
  if (tokenFile === undefined && tokens === undefined) {
    throw refuse('HW_INVALID_CONFIG', `${where}: that takes tokens; give --token-file, or listen on 127.0.0.1`)
  }
  if (tls === undefined) {
    throw refuse(
      'HW_INVALID_CONFIG',
      `${where}: that takes TLS; give --tls-cert and --tls-key, or put a proxy with TLS in front of 127.0.0.1`,
    )
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function socketOf(given: Value | undefined, path: string | undefined, dir: string): string | undefined {
  if (given?.value === 'none') return undefined
  const socket = path ?? join(dir, 'hourwheel.sock')
  if (Buffer.byteLength(socket) <= socketPathBytesMax) return socket
  throw refuse(
    'HW_INVALID_CONFIG',
    `the path of the socket, ${socket}, is longer than ${socketPathBytesMax} bytes, which no system takes; give a shorter one with --socket`,
    { details: { field: 'socket' } },
  )
}

function listenOf(given: Value | undefined, text: string | undefined): DaemonConfig['listen'] {
  if (given === undefined || text === undefined) return undefined
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/u.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw refused('listen', given, 'give host:port such as 127.0.0.1:7420, or [::1]:7420')
  }
  return { host: (match[1] ?? match[2])!, port }
}

function tlsOf(certFile: string | undefined, keyFile: string | undefined): DaemonConfig['tls'] {
  if (certFile === undefined && keyFile === undefined) return undefined
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile }
  throw refuse('HW_INVALID_CONFIG', 'tlsCert and tlsKey belong together; give both')
}

/** Text of digits as the number that a flag or variable cannot be. */
function numeric(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,15}$/u.test(value) ? Number(value) : value
}

function parseBytes(text: string): number {
  const match = /^(\d{1,15})\s*(?:([KMG])i?B?|B)?$/iu.exec(text)
  if (match === null) return NaN
  const power = ['K', 'M', 'G'].indexOf((match[2] ?? '').toUpperCase()) + 1
  return Number(match[1]) * 1_024 ** power
}

/** Values of secrets are not shown. */
function refused(name: SettingName, { value, from }: Value, instead: string): HourwheelError {
  const given = daemonSettings[name].isSecret === true ? 'not usable' : shown(value)
  return refuse('HW_INVALID_CONFIG', `${from} is ${given}; ${instead}`, { details: { field: name } })
}
