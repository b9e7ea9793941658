/** Whatever ends a command, however rudely, its children end with it. */

import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { makeTrialRepository, plainEnvironment, type TrialRepository } from './trial-repository.ts'

let trial: TrialRepository
let outer: ChildProcess | undefined

beforeEach(() => {
  trial = makeTrialRepository()
})

afterEach(() => {
  outer?.kill('SIGKILL')
  trial.remove()
})

/** A command that runs a child for ever, and a child that says who both are. */
function writeCommand(): string {
  const child = trial.write(
    'child.mjs',
    `console.log('pids ' + process.ppid + ' ' + process.pid)\nsetInterval(() => {}, 1000)\n`,
  )
  return trial.write(
    'command.mjs',
    `import { command } from './scripts/lib/command.mjs'\nimport { runNode } from './scripts/lib/lifetime.mjs'\n` +
      `void command(async () => (await runNode(${JSON.stringify(child)}, [])).code)\n`,
  )
}

/** Stands in for npm: runs the command through a shell, and does nothing when it is told to end. */
function writeNpm(shellCommand: string): string {
  const env = `{ ...process.env, npm_lifecycle_event: 'start' }`
  return trial.write(
    'npm.mjs',
    `import { spawn } from 'node:child_process'\n` +
      `spawn('/bin/sh', ['-c', ${JSON.stringify(shellCommand)}], { stdio: 'inherit', env: ${env} })\n`,
  )
}

/** Starts a program and resolves to the pids that its child prints. */
async function startAndReadPids(program: string): Promise<[command: number, child: number]> {
  const started = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'], env: plainEnvironment() })
  outer = started
  let output = ''
  started.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [, command, child] = await vi.waitFor(() => {
    const found = /pids (\d+) (\d+)\n/.exec(output)
    expect(found).not.toBeNull()
    return found!
  }, 10_000)
  return [Number(command), Number(child)]
}

/** A zombie counts as ended: nobody may be there to bury it. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return process.platform !== 'linux'
  }
}

async function expectBothEnd(pids: readonly number[]): Promise<void> {
  await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), { timeout: 10_000, interval: 50 })
}

describe('a command and its child end when', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const)('the command gets %s', async (signal) => {
    const pids = await startAndReadPids(writeCommand())
    const ended = new Promise((resolve) => outer!.once('exit', (_code, by) => resolve(by)))
    process.kill(pids[0], signal)
    await expectBothEnd(pids)
    expect(await ended).toBe(signal)
  })

  test('npm is killed, and its shell had turned into the command', async () => {
    const pids = await startAndReadPids(writeNpm(`exec "${process.execPath}" "${writeCommand()}"`))
    outer!.kill('SIGKILL')
    await expectBothEnd(pids)
  })

  test.runIf(process.platform === 'linux')('npm is killed, and its shell stands between', async () => {
    const pids = await startAndReadPids(writeNpm(`"${process.execPath}" "${writeCommand()}"; exit $?`))
    outer!.kill('SIGKILL')
    await expectBothEnd(pids)
  })
})

test('a command that no npm runs outlives its parent, as under nohup', async () => {
  const command = writeCommand()
  const parent = trial.write(
    'parent.mjs',
    `import { spawn } from 'node:child_process'\nspawn(process.execPath, [${JSON.stringify(command)}], { stdio: 'inherit' })\n`,
  )
  const pids = await startAndReadPids(parent)
  try {
    outer!.kill('SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    expect(pids.map(isAlive)).toEqual([true, true])
  } finally {
    process.kill(pids[0], 'SIGTERM')
  }
  await expectBothEnd(pids)
})
