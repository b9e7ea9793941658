/** hourwheel get: one task by its id, as JSON. */

import type { Command } from 'commander'
import { dirOption, reading } from './reading.ts'

export function addGetCommand(program: Command): void {
  program
    .command('get')
    .description('one task by its id')
    .argument('<id>', 'the id from its receipt')
    .requiredOption(...dirOption)
    .addHelpText(
      'after',
      '\nExamples:\n  $ hourwheel get f7310000350za9 --dir ./data\n\nExit code 1 when there is none such.',
    )
    .action(async (id: string, { dir }: { dir: string }) => {
      const found = await reading(dir, (engine) => engine.get(id))
      if (found === undefined) {
        console.error(`hourwheel: no task ${id} is known; \`hourwheel list --dir ${dir}\` shows the live ones`)
        process.exitCode = 1
        return
      }
      console.log(JSON.stringify(found, null, 2))
    })
}
