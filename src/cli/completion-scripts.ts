/**
 * Completion scripts for bash, zsh and fish. Each walks the words before the cursor down the tree of commands, then offers what
 * may stand there: values of an option, options, commands, files. Pure.
 */

import { allNodes, type CommandNode, type OptionNode } from './command-tree.ts'

export function bashScript(root: CommandNode): string {
  return `# hourwheel completion bash
_hourwheel() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path='' word i
  COMPREPLY=()
${indent(walk(root, 'path', 'COMP_WORDS[i]', '((i = 1; i < COMP_CWORD; i++))'), 2)}
  case "$path:$prev" in
${indent(valueCases(root, bashValue), 4)}
  esac
  case "$path" in
${indent(
  allNodes(root)
    .map((node) => `${quoted(pathOf(node))}) COMPREPLY=($(compgen -W ${quoted(wordsOf(node).join(' '))} -- "$cur")) ;;`)
    .join('\n'),
  4,
)}
  esac
}
complete -o default -F _hourwheel hourwheel`
}

function bashValue(value: OptionNode['value']): string {
  if (value === 'directory') return 'COMPREPLY=($(compgen -d -- "$cur")); return'
  if (value === 'file') return 'COMPREPLY=($(compgen -f -- "$cur")); return'
  if (value === 'text') return 'return'
  return `COMPREPLY=($(compgen -W ${quoted((value as readonly string[]).join(' '))} -- "$cur")); return`
}

export function zshScript(root: CommandNode): string {
  return `#compdef hourwheel
# hourwheel completion zsh
_hourwheel() {
  local cur="$words[CURRENT]" prev="$words[CURRENT-1]" path_='' word i
  local -a offered
${indent(walk(root, 'path_', 'words[i]', '((i = 2; i < CURRENT; i++))'), 2)}
  case "$path_:$prev" in
${indent(valueCases(root, zshValue), 4)}
  esac
  case "$path_" in
${indent(
  allNodes(root)
    .map((node) => `${quoted(pathOf(node))}) offered=(${describedOf(node).map(zshItem).join(' ')}) ;;`)
    .join('\n'),
  4,
)}
  esac
  _describe 'hourwheel' offered
}
if [ "$funcstack[1]" = _hourwheel ]; then _hourwheel "$@"; else compdef _hourwheel hourwheel; fi`
}

function zshValue(value: OptionNode['value']): string {
  if (value === 'directory') return '_files -/; return'
  if (value === 'file') return '_files; return'
  if (value === 'text') return 'return'
  return `compadd -- ${(value as readonly string[]).map(quoted).join(' ')}; return`
}

function zshItem([word, description]: readonly [string, string]): string {
  return quoted(`${word.replaceAll(':', '\\:')}:${description}`)
}

export function fishScript(root: CommandNode): string {
  const lines = allNodes(root).flatMap((node) => {
    const at = `complete -c hourwheel -n ${quoted(`test (__hourwheel_path) = ":${pathOf(node)}"`)}`
    return [
      ...node.commands.map((child) => `${at} -a ${child.path.at(-1)!} -d ${quoted(child.description)}`),
      ...node.choices.map((choice) => `${at} -a ${quoted(choice)}`),
      ...node.options.map((option) => `${at} ${fishOption(option)}`),
    ]
  })
  return `# hourwheel completion fish
function __hourwheel_path
  set -l path ''
  set -l takes_value 0
  for word in (commandline -opc)[2..-1]
    if test $takes_value = 1
      set takes_value 0
      continue
    end
    switch "$path:$word"
${indent(fishWalk(root), 6)}
    end
  end
  echo ":$path"
end
complete -c hourwheel -f
${lines.join('\n')}`
}

function fishWalk(root: CommandNode): string {
  return allNodes(root)
    .flatMap((node) => {
      const values = valueNames(node).map((name) => quoted(`${pathOf(node)}:${name}`))
      return [
        ...node.commands.map(
          (child) => `case ${quoted(`${pathOf(node)}:${child.path.at(-1)!}`)}\n  set path ${quoted(pathOf(child))}`,
        ),
        ...(values.length === 0 ? [] : [`case ${values.join(' ')}\n  set takes_value 1`]),
      ]
    })
    .join('\n')
}

function fishOption({ names, description, value }: OptionNode): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  const takes =
    value === 'none'
      ? ''
      : value === 'text'
        ? ' -x'
        : value === 'file'
          ? ' -r -F'
          : value === 'directory'
            ? " -x -a '(__fish_complete_directories)'"
            : ` -x -a ${quoted(value.join(' '))}`
  return `${flags.join(' ')}${takes} -d ${quoted(description)}`
}

/** Goes down the tree word by word, past the values of options; leaves the words in `variable`. */
function walk(root: CommandNode, variable: string, word: string, loop: string): string {
  const steps = allNodes(root).flatMap((node) => {
    const values = valueNames(node).map((name) => quoted(`${pathOf(node)}:${name}`))
    return [
      ...node.commands.map(
        (child) => `${quoted(`${pathOf(node)}:${child.path.at(-1)!}`)}) ${variable}=${quoted(pathOf(child))} ;;`,
      ),
      ...(values.length === 0 ? [] : [`${values.join('|')}) ((i++)) ;;`]),
    ]
  })
  return `for ${loop}; do
  word="\${${word}}"
  case "$${variable}:$word" in
${indent(steps.join('\n'), 4)}
  esac
done`
}

function valueCases(root: CommandNode, say: (value: OptionNode['value']) => string): string {
  return allNodes(root)
    .flatMap((node) =>
      node.options
        .filter(({ value }) => value !== 'none')
        .map(
          ({ names, value }) => `${names.map((name) => quoted(`${pathOf(node)}:${name}`)).join('|')}) ${say(value)} ;;`,
        ),
    )
    .join('\n')
}

function valueNames(node: CommandNode): string[] {
  return node.options.filter(({ value }) => value !== 'none').flatMap(({ names }) => names)
}

function wordsOf(node: CommandNode): string[] {
  return describedOf(node).map(([word]) => word)
}

function describedOf(node: CommandNode): (readonly [string, string])[] {
  return [
    ...node.commands.map((child) => [child.path.at(-1)!, child.description] as const),
    ...node.choices.map((choice) => [choice, ''] as const),
    ...node.options.flatMap(({ names, description }) => names.map((name) => [name, description] as const)),
  ]
}

function pathOf(node: CommandNode): string {
  return node.path.join(' ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function indent(text: string, by: number): string {
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(by))
}
