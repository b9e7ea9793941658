/**
 * System calls that fail, by `strace -e inject`: what the kernel would say of a broken, full or overcommitted disk. strace
 * counts calls by thread, so one pool thread is used; the two threads of the log in use make blocking calls of their own.
 */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { Checker } from '../kill/checker.ts'
import { live, type Life } from '../kill/life.ts'
import type { Plan } from '../kill/lines.ts'

export interface SyscallFault {
  readonly call: string
  /** What strace makes of it: `error=EIO`, or `retval=0` for a write of nothing. */
  readonly inject: string
  /** The how manieth call of its thread: `3` that one, `3+` it and all later ones. */
  readonly when: string
  /** Only calls on these files count. */
  readonly files?: readonly string[]
}

export interface FaultyLife {
  readonly life: Life
  /** The calls that were made to fail, as strace shows them. */
  readonly injected: readonly string[]
}

const traceOptions = ['-f', '-qq', '-y', '--seccomp-bpf']

/** Undefined when strace is there and may trace; else why not. */
export function whyNoStrace(): string | undefined {
  if (process.platform !== 'linux') return 'strace is for Linux'
  const tried = spawnSync('strace', [...traceOptions, '-o', '/dev/null', '-e', 'trace=fdatasync', 'true'], {
    encoding: 'utf8',
  })
  if (tried.error !== undefined) return 'strace is not installed'
  return tried.status === 0 ? undefined : `strace may not trace here: ${tried.stderr.trim()}`
}

/** One life of a worker, in which a system call fails. What it says is judged by the checker, its end by `judgeFaulty`. */
export async function liveWithFault(
  plan: Plan,
  checker: Checker,
  random: () => number,
  fault: SyscallFault,
  traceFile: string,
): Promise<FaultyLife> {
  const { call, inject, when } = fault
  const under = ['strace', ...traceOptions, '-o', traceFile]
  under.push('-e', `trace=${call}`, '-e', `inject=${call}:${inject}:when=${when}`)
  for (const file of fault.files ?? []) under.push('-P', file)
  const life = await live({ plan, checker, random, under, env: { UV_THREADPOOL_SIZE: '1' } })
  const injected = fs
    .readFileSync(traceFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes('(INJECTED)'))
  return { life, injected }
}

/** The files that the log will be written to by the next opening, some of which will never be. */
export function nextLogFiles(dir: string): string[] {
  let openCount = 0
  let number = 0
  for (const name of fs.existsSync(dir) ? fs.readdirSync(dir) : []) {
    const parts = /^wal-(\d+)-(\d+)\.log$/u.exec(name)
    if (parts === null) continue
    openCount = Math.max(openCount, Number(parts[1]))
    number = Math.max(number, Number(parts[2]))
  }
  // An opening that was refused may have counted, and used numbers up, or not.
  const openCounts = Array.from({ length: 4 }, (_, index) => Math.max(1, openCount) + index)
  const numbers = Array.from({ length: 8 }, (_, index) => Math.max(1, number - 2 + index))
  return openCounts.flatMap((count) => [...new Set(numbers)].map((each) => `${dir}/wal-${count}-${each}.log`))
}

/** How many files the pool thread opens to load the program, before it first opens one of the directory. */
export async function opensOfLoading(plan: Plan, traceFile: string): Promise<number> {
  const under = ['strace', ...traceOptions, '-o', traceFile, '-e', 'trace=openat']
  const checker = new Checker()
  const env = { UV_THREADPOOL_SIZE: '1' }
  await live({ plan: { ...plan, work: 'look' }, checker, random: Math.random, under, env })
  const lines = fs.readFileSync(traceFile, 'utf8').split('\n')
  const first = lines.find((line) => line.includes(`"${plan.dir}/LOCK"`))
  if (first === undefined) throw new Error('the worker did not open its directory')
  const thread = first.split(' ')[0]
  return lines.filter((line) => line.split(' ')[0] === thread && line.includes(' openat(')).indexOf(first) + 1
}

/** Codes by which an opening may be refused, or an engine may stop, when the disk fails it. */
const told = new Set(['HW_DISK_FAILED', 'HW_DISK_FULL', 'HW_DIRECTORY_UNUSABLE'])

/** D7, D8: it stops and says so, or goes on; it never hangs, dies or takes the failure for something else. */
export function judgeFaulty(checker: Checker, { life, injected }: FaultyLife, fault: SyscallFault): void {
  const { end } = checker
  const what = `${fault.call} ${fault.inject} at ${fault.when}`
  if (life.stderr !== '') checker.violate(`${what}: the worker complains: ${life.stderr}`)
  if (life.killed) return
  if (life.code !== 0) checker.violate(`${what}: the worker ended with ${life.code ?? life.signal}`)
  if (end === undefined) checker.violate(`${what}: the worker ended without a word`)
  else if (end.reason !== 'closed' && !told.has(end.code ?? '')) {
    checker.violate(`${what}: it is told as ${end.reason}, ${end.code}: ${end.message}`)
  } else if (end.reason === 'closed' && injected.some(mustStop)) {
    checker.violate(`D7, ${what}: the engine went on after ${injected.find(mustStop)}`)
  } else if (end.reason !== 'closed' && injected.length === 0) {
    checker.violate(`${what}: nothing failed, and yet: ${end.reason}, ${end.code}: ${end.message}`)
  }
}

/** A failed write or sync stops the engine, but for a full disk, its lock's file, and space that it sets aside. */
function mustStop(injected: string): boolean {
  const failed = /(?:fdatasync|fsync|pwrite64)\(\d+<([^>]*)>/u.exec(injected)
  return failed !== null && !/ENOSPC/u.test(injected) && !/\/(?:LOCK|reserve\.tmp)$/u.test(failed[1]!)
}
