/** hourwheel completion: a script for the shell, generated from the program's own tree, so that it cannot lag behind. */

import { Argument, type Command } from 'commander'
import { commandTree } from './command-tree.ts'
import { bashScript, fishScript, zshScript } from './completion-scripts.ts'
import { print } from './output.ts'

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript }

export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('print a script that lets a shell complete commands and options')
    .addArgument(new Argument('<shell>', 'which one').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `
Examples:
  $ source <(hourwheel completion bash)                 # in ~/.bashrc
  $ hourwheel completion zsh > ~/.zfunc/_hourwheel      # with ~/.zfunc in fpath, before compinit
  $ hourwheel completion fish > ~/.config/fish/completions/hourwheel.fish`,
    )
    .action((shell: keyof typeof scripts) => print(scripts[shell](commandTree(program))))
}
