/**
 * What the daemon can be told, in one table: by flag, by environment variable and in a JSON file, under the same names. Flags win
 * over the environment, which wins over the file. Says what kind each value is; config.ts makes sense of them together.
 */

export type SettingKind = 'text' | 'path' | 'list' | 'count' | 'bytes' | 'duration'

export interface Setting {
  readonly kind: SettingKind
  readonly help: string
  /** What holds when it is not given, in words. */
  readonly otherwise?: string | undefined
  /** Never a flag: flags show in process lists. */
  readonly isSecret?: boolean | undefined
}

export type SettingName =
  | 'dir'
  | 'socket'
  | 'listen'
  | 'tlsCert'
  | 'tlsKey'
  | 'tokenFile'
  | 'tokens'
  | 'hosts'
  | 'handlers'
  | 'webhookHosts'
  | 'webhookSecretsFile'
  | 'backupDir'
  | 'logLevel'
  | 'drain'
  | 'nearBytesMax'
  | 'ahead'
  | 'walFileBytes'
  | 'walFilesMax'
  | 'payloadBytesMax'
  | 'keyWindow'
  | 'forwardJumpMax'
  | 'downtimeMax'
  | 'connectionsMax'
  | 'bodyBytesInFlightMax'
  | 'eventsKept'
  | 'metricsQueuesMax'

export const daemonSettings: Readonly<Record<SettingName, Setting>> = {
  dir: { kind: 'path', help: 'the data directory; created when it is not there' },
  socket: { kind: 'path', help: 'the Unix socket to listen on', otherwise: 'hourwheel.sock in the data directory' },
  listen: { kind: 'text', help: 'host:port to listen on, beside the socket', otherwise: 'no TCP' },
  tlsCert: { kind: 'path', help: 'PEM file with the certificate chain' },
  tlsKey: { kind: 'path', help: 'PEM file with the private key' },
  tokenFile: { kind: 'path', help: 'file of tokens, one "<scope> <token>" a line; read again on SIGHUP' },
  tokens: { kind: 'text', help: 'the same as text', isSecret: true },
  hosts: { kind: 'list', help: 'names that a request may have in its Host header', otherwise: 'those of loopback' },
  handlers: { kind: 'path', help: 'module whose handlers run tasks in this process' },
  webhookHosts: { kind: 'list', help: 'hosts that webhooks may go to', otherwise: 'no webhooks' },
  webhookSecretsFile: { kind: 'path', help: 'JSON file of named webhook secrets; read again on SIGHUP' },
  backupDir: { kind: 'path', help: 'where backups may be put that are asked for over HTTP', otherwise: 'none' },
  logLevel: { kind: 'text', help: 'fatal, error, warn, info, debug, trace or silent', otherwise: 'info' },
  drain: { kind: 'duration', help: 'how long running attempts may take at the end', otherwise: '10s' },
  nearBytesMax: { kind: 'bytes', help: 'memory for tasks that are due soon', otherwise: '256MiB' },
  ahead: { kind: 'duration', help: 'how far ahead tasks are brought into memory', otherwise: '10m' },
  walFileBytes: { kind: 'bytes', help: 'size of one log file', otherwise: '16MiB' },
  walFilesMax: { kind: 'count', help: 'log files kept before the oldest is moved into segments', otherwise: '2' },
  payloadBytesMax: { kind: 'bytes', help: 'largest payload', otherwise: '64KiB' },
  keyWindow: { kind: 'duration', help: 'how long a key is remembered after its task has ended', otherwise: '24h' },
  forwardJumpMax: { kind: 'duration', help: 'a larger jump of the clock holds firing', otherwise: '1d' },
  downtimeMax: { kind: 'duration', help: 'the same over a stop', otherwise: '30d' },
  connectionsMax: { kind: 'count', help: 'connections at once', otherwise: '1024' },
  bodyBytesInFlightMax: { kind: 'bytes', help: 'memory for large bodies and answers on their way', otherwise: '64MiB' },
  eventsKept: { kind: 'count', help: 'events kept for those who come back', otherwise: '10000' },
  metricsQueuesMax: { kind: 'count', help: 'queues with metrics of their own', otherwise: '100' },
}

export const settingNames: readonly SettingName[] = Object.keys(daemonSettings) as SettingName[]

/** walFileBytes -> HOURWHEEL_WAL_FILE_BYTES */
export function environmentName(name: SettingName): string {
  return `HOURWHEEL_${name.replace(/[A-Z]/gu, (letter) => `_${letter}`).toUpperCase()}`
}

/** walFileBytes -> --wal-file-bytes <bytes> */
export function flagOf(name: SettingName): string {
  return `${flagName(name)} <${daemonSettings[name].kind}>`
}

/** walFileBytes -> --wal-file-bytes */
export function flagName(name: SettingName): string {
  return `--${name.replace(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`
}
