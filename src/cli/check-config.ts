/** hourwheel check-config: whether `serve` could start with these settings; opens no directory and no address. */

import { access, constants, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { readConfig, unknownVariables, type DaemonConfig } from '../daemon/config.ts'
import { daemonSettings, settingNames, type SettingName } from '../daemon/settings.ts'
import { loadHandlers } from '../daemon/handler-module.ts'
import { Tokens } from '../daemon/tokens.ts'
import { AllowList } from '../daemon/webhooks/allow-list.ts'
import { refuse } from '../model/errors.ts'
import { addSettings, type ServeOptions } from './serve.ts'

export function addCheckConfigCommand(program: Command): void {
  addSettings(program.command('check-config'))
    .description('check the settings of serve, and show what they come to')
    .option('--json', 'as one JSON object')
    .addHelpText(
      'after',
      `
Exit code 0 when serve could start so, 2 when not; the message names the setting and where it was given.

Examples:
  $ hourwheel check-config --config /etc/hourwheel.json
  $ HOURWHEEL_DIR=./data hourwheel check-config --listen 127.0.0.1:7420`,
    )
    .action(async ({ config: file, json = false, ...flags }: ServeOptions & { json?: boolean }) => {
      const config = await readConfig(flags, process.env, file)
      const warnings = await checkFiles(config)
      for (const name of unknownVariables(process.env)) warnings.push(`${name} means nothing to hourwheel`)
      const settings = settingsOf(config)
      if (json) {
        console.log(JSON.stringify({ config: settings, warnings }))
        return
      }
      for (const name of settingNames) console.log(`${name.padEnd(22)} ${told(name, settings[name])}`)
      for (const warning of warnings) console.error(`warning: ${warning}`)
      console.log('\nserve can start with these settings.')
    })
}

type SettingValue = string | number | readonly string[] | undefined

/** By the names and in the form of a configuration file. What is not given, and the engine's to say, is undefined. */
function settingsOf(config: DaemonConfig): Partial<Readonly<Record<SettingName, SettingValue>>> {
  const { engine, tls, listen, tokens, drainMs, ...others } = config
  const { clock, ahead, keyWindow, walFileBytes, walFilesMax, nearBytesMax, payloadBytesMax } = engine
  const host = listen?.host.includes(':') === true ? `[${listen.host}]` : listen?.host
  return {
    ...others,
    ...clock,
    ahead,
    keyWindow,
    walFileBytes,
    walFilesMax,
    nearBytesMax,
    payloadBytesMax,
    socket: config.socket ?? 'none',
    listen: listen === undefined ? undefined : `${host}:${listen.port}`,
    tlsCert: tls?.certFile,
    tlsKey: tls?.keyFile,
    tokens: tokens === undefined ? undefined : '(given)',
    drain: drainMs,
  }
}

function told(name: SettingName, value: SettingValue): string {
  const { kind, otherwise } = daemonSettings[name]
  if (value === undefined || (typeof value === 'object' && value.length === 0)) return otherwise ?? 'none'
  if (kind === 'duration') return `${String(value)} ms`
  if (kind === 'bytes') return `${String(value)} bytes`
  return String(value)
}

/** What the settings name: files that must be readable, a module that must load. Answers warnings. */
async function checkFiles(config: DaemonConfig): Promise<string[]> {
  const { tokenFile, tokens, tls, webhookSecretsFile, handlers, webhookHosts, dir } = config
  const warnings = await new Tokens(tokenFile, tokens).load()
  for (const file of [tls?.certFile, tls?.keyFile, webhookSecretsFile]) if (file !== undefined) await readable(file)
  if (handlers !== undefined) await loadHandlers(handlers)
  void new AllowList(webhookHosts)
  const found = await stat(dir).catch(() => undefined)
  if (found === undefined) await writable(dirname(dir), `${dir} is not there, and cannot be made`)
  else if (!found.isDirectory()) throw refuse('HW_INVALID_CONFIG', `dir is ${dir}, which is no directory`)
  else await writable(dir, `${dir} cannot be written to`)
  return warnings
}

async function readable(file: string): Promise<void> {
  try {
    await access(file, constants.R_OK)
  } catch (cause) {
    throw refuse('HW_INVALID_CONFIG', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
}

async function writable(directory: string, text: string): Promise<void> {
  try {
    await access(directory, constants.W_OK)
  } catch (cause) {
    throw refuse('HW_INVALID_CONFIG', `${text}: ${(cause as Error).message}`, { cause })
  }
}
