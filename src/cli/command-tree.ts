/** The program's commands and options as data, read from commander's own tree: for completion. Pure. */

import type { Command, Option } from 'commander'

export interface CommandNode {
  /** Words after the program's name: [], ['dead'], ['dead', 'list']. */
  readonly path: readonly string[]
  readonly description: string
  readonly options: readonly OptionNode[]
  /** What the first argument may be, where that is known. */
  readonly choices: readonly string[]
  readonly commands: readonly CommandNode[]
}

export interface OptionNode {
  readonly names: readonly string[]
  readonly description: string
  readonly value: 'none' | 'text' | 'file' | 'directory' | readonly string[]
}

export function commandTree(program: Command): CommandNode {
  return nodeOf(program, [])
}

/** A node and all below it. */
export function allNodes(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(allNodes)]
}

function nodeOf(command: Command, path: readonly string[]): CommandNode {
  const help = command.createHelp()
  const [argument] = command.registeredArguments
  return {
    path,
    description: command.description(),
    options: help.visibleOptions(command).map(optionOf),
    choices: argument?.argChoices ?? [],
    commands: help.visibleCommands(command).map((child) => nodeOf(child, [...path, child.name()])),
  }
}

function optionOf(option: Option): OptionNode {
  const names = [option.long, option.short].filter((name) => typeof name === 'string')
  return { names, description: option.description, value: valueOf(option) }
}

/** What its value is, from how the help calls it: <file>, <directory>. */
function valueOf({ flags, required, optional, argChoices }: Option): OptionNode['value'] {
  if (argChoices !== undefined) return argChoices
  if (!required && !optional) return 'none'
  if (/<(?:directory)>/.test(flags)) return 'directory'
  return /<(?:file|module|socket|json)>/.test(flags) ? 'file' : 'text'
}
