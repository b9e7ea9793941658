/**
 * hourwheel serve: the daemon. Signals: TERM and INT end it in good order, a second one at once; HUP reads tokens, certificates,
 * secrets and settings of queues again.
 */

import { Option, type Command } from 'commander'
import type { Logger } from 'pino'
import { readConfig, type DaemonConfig, type GivenSettings } from '../daemon/config.ts'
import { startDaemon, type Daemon } from '../daemon/daemon.ts'
import { makeLog } from '../daemon/log.ts'
import { daemonSettings, environmentName, flagOf, settingNames } from '../daemon/settings.ts'
import { keepNewObjectsYoung } from './young-objects.ts'

export interface ServeOptions extends GivenSettings {
  readonly config?: string
}

/** All settings as options, but secrets. */
export function addSettings(command: Command): Command {
  command.addOption(
    new Option('--config <path>', 'JSON file of settings, by the names of these flags in camelCase').env(
      'HOURWHEEL_CONFIG',
    ),
  )
  for (const name of settingNames) {
    const { help, otherwise, isSecret } = daemonSettings[name]
    if (isSecret === true) continue
    const text = otherwise === undefined ? help : `${help} (default: ${otherwise})`
    // The environment is read by readConfig; here it is only told of.
    command.addOption(new Option(flagOf(name), `${text} [${environmentName(name)}]`))
  }
  return command
}

export function addServeCommand(program: Command): void {
  addSettings(program.command('serve'))
    .description('the daemon: owns a data directory, serves it over HTTP, fires its tasks')
    .addHelpText(
      'after',
      `
Flags win over environment variables, which win over the file. Tokens are given in a file or in HOURWHEEL_TOKENS, never by flag.

Examples:
  $ hourwheel serve --dir ./data
  $ hourwheel serve --dir ./data --listen 127.0.0.1:7420 --handlers ./handlers.js
  $ curl --unix-socket ./data/hourwheel.sock http://localhost/v1/tasks -H 'content-type: application/json' \\
      -d '{"queue":"email","delay":"5s","payload":{"to":"ada@example.com"}}'`,
    )
    .action(async ({ config: file, ...flags }: ServeOptions) => {
      const config = await readConfig(flags, process.env, file)
      await serveUntilEnded(config, makeLog(config.logLevel))
    })
}

/** Serves until a signal comes or the engine fails; sets the exit code. `started` is shown the daemon once it serves. */
export async function serveUntilEnded(
  config: DaemonConfig,
  log: Logger,
  started: (daemon: Daemon) => Promise<void> | void = () => undefined,
): Promise<void> {
  keepNewObjectsYoung()
  const now: { daemon?: Daemon; endedBy?: string } = {}
  const end = (signal: string): void => {
    if (now.endedBy !== undefined) {
      log.warn({ signal }, 'a second signal: ending at once')
      process.exit(1)
    }
    now.endedBy = signal
    log.info({ signal, drainMs: config.drainMs }, 'going down')
    now.daemon?.close().catch((error: unknown) => log.error({ err: error }, 'it did not close in good order'))
  }
  // Before it says that it serves: whoever hears that may end it.
  const reload = (): void => {
    now.daemon
      ?.reload()
      .catch((error: unknown) => log.error({ err: error }, 'nothing was read again: what held before holds'))
  }
  process.on('SIGTERM', end).on('SIGINT', end).on('SIGHUP', reload)
  const daemon = await startDaemon(config, log).catch((error: unknown) => {
    process.off('SIGTERM', end).off('SIGINT', end).off('SIGHUP', reload)
    throw error
  })
  now.daemon = daemon
  log.info({ addresses: daemon.addresses }, 'hourwheel serves')
  if (now.endedBy === undefined) await started(daemon)
  else await daemon.close(0)
  const { reason, error } = await daemon.closed
  if (reason === 'failed') {
    log.fatal({ err: error }, 'the engine has stopped; start again: what was acknowledged is on disk')
    process.exitCode = 1
  }
  await daemon.close()
  log.info('closed')
}
