/** hourwheel context: targets saved by name, so that they need not be typed again. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import {
  checkContextName,
  contextNamed,
  contextsFile,
  readContexts,
  writeContexts,
  type Context,
  type Contexts,
} from './contexts.ts'
import { CommandFailed } from './failures.ts'
import { print, printJson, printRows, say, type Column } from './output.ts'

export function addContextCommand(program: Command): void {
  const context = program.command('context').description('targets saved by name').helpCommand(false)
  addAdd(context)
  context
    .command('use')
    .description('work on it where nothing else is said; without a name: on none')
    .argument('[name]', 'a saved one')
    .addHelpText('after', '\nExamples:\n  $ hourwheel context use production')
    .action((name: string | undefined) => {
      const contexts = readContexts()
      if (name !== undefined) contextNamed(contexts, name)
      writeContexts({ ...contexts, used: name })
      say(name === undefined ? 'no context is used' : `${name} is used from now on`)
    })
  context
    .command('list')
    .description('what is saved; the used one is marked')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExamples:\n  $ hourwheel context list')
    .action(({ json = false }: { json?: boolean }) => list(readContexts(), json))
  context
    .command('remove')
    .description('forget one')
    .argument('<name>', 'a saved one')
    .addHelpText('after', '\nExamples:\n  $ hourwheel context remove production')
    .action((name: string) => {
      const contexts = readContexts()
      contextNamed(contexts, name)
      const { [name]: _gone, ...byName } = contexts.byName
      writeContexts({ used: contexts.used === name ? undefined : contexts.used, byName })
      say(`${name} is forgotten`)
    })
}

function addAdd(context: Command): void {
  context
    .command('add')
    .description('save a target')
    .argument('<name>', 'letters, digits, dots, underscores and hyphens')
    .option('--url <url>', 'of a daemon')
    .option('--socket <socket>', 'path of the Unix socket of a daemon')
    .option('--dir <directory>', 'a data directory')
    .option('--token-file <file>', 'where the token is read from each time; the token itself is not saved')
    .option('--use', 'and use it from now on')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel context add local --socket ./data/hourwheel.sock --use
  $ hourwheel context add production --url https://timers.example.com --token-file ~/.hourwheel-token

They are kept in $XDG_CONFIG_HOME/hourwheel/contexts.json (~/.config when it is not set).`,
    )
    .action((name: string, { use = false, ...given }: Context & { use?: boolean }) => {
      const { dir, url, socket, tokenFile } = given
      if ([dir, url, socket].filter((each) => each !== undefined).length !== 1) {
        throw new CommandFailed('give one of --url, --socket and --dir')
      }
      if (url !== undefined && !URL.canParse(url))
        throw new CommandFailed(`${url} is no URL`, '--url http://127.0.0.1:7420')
      const contexts = readContexts()
      const saved: Context = {
        ...(dir === undefined ? {} : { dir: resolve(dir) }),
        ...(url === undefined ? {} : { url }),
        ...(socket === undefined ? {} : { socket: resolve(socket) }),
        ...(tokenFile === undefined ? {} : { tokenFile: resolve(tokenFile) }),
      }
      writeContexts({
        used: use ? name : contexts.used,
        byName: { ...contexts.byName, [checkContextName(name)]: saved },
      })
      say(`${name} is saved in ${contextsFile()}${use ? ' and used from now on' : `; hourwheel context use ${name}`}`)
    })
}

type Row = Context & { readonly name: string; readonly isUsed: boolean }

function list({ used, byName }: Contexts, json: boolean): void {
  const rows = Object.entries(byName).map(([name, context]) => ({ name, isUsed: name === used, ...context }))
  if (json) for (const row of rows) printJson(row)
  else if (rows.length > 0) printRows(rows, columns)
  else print('none')
}

const columns: readonly Column<Row>[] = [
  { title: '', of: ({ isUsed }) => (isUsed ? '*' : '') },
  { title: 'name', of: ({ name }) => name },
  { title: 'target', of: ({ dir, url, socket }) => url ?? socket ?? dir ?? '' },
  { title: 'token file', of: ({ tokenFile = '' }) => tokenFile },
]
