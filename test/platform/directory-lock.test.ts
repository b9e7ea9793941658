import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockDirectory, type LockResult } from '../../src/platform/node/directory-lock.ts'
import { currentOwner, judge } from '../../src/platform/node/lock-owner.ts'

let directory = ''
const children: ChildProcess[] = []

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hourwheel-'))
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  fs.rmSync(directory, { recursive: true })
})

async function startHolder(): Promise<{ child: ChildProcess; said: { held?: boolean; heldBy?: string } }> {
  const script = fileURLToPath(new URL('./lock-holder.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, said: JSON.parse(line.toString()) as { held?: boolean; heldBy?: string } }
}

async function take(): Promise<() => Promise<void>> {
  const lock = await lockDirectory(directory)
  if ('heldBy' in lock) throw new Error(`held by ${lock.heldBy}`)
  return () => lock.release()
}

function heldBy(lock: LockResult): string {
  return 'heldBy' in lock ? lock.heldBy : 'nobody'
}

test('a directory has one owner, and is free once he releases it', async () => {
  const release = await take()
  expect(heldBy(await lockDirectory(directory))).toContain(`process ${process.pid} on ${os.hostname()}`)
  await release()
  await release()
  expect(fs.readdirSync(directory)).toEqual([])
  await (
    await take()
  )()
})

test('a link to the directory is the same directory', async () => {
  const link = `${directory}-link`
  fs.symlinkSync(directory, link)
  const release = await take()
  expect(heldBy(await lockDirectory(link))).toContain(`process ${process.pid}`)
  await release()
  fs.unlinkSync(link)
})

test('another process is refused, and told who holds the directory', async () => {
  const release = await take()
  const { said } = await startHolder()
  expect(said.heldBy).toContain(`process ${process.pid}`)
  await release()
})

test('the directory of a process that was killed is free at once, its file still there', async () => {
  const { child, said } = await startHolder()
  expect(said).toEqual({ held: true })
  expect(heldBy(await lockDirectory(directory))).toContain(`process ${child.pid}`)
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
  expect(fs.readdirSync(directory)).toEqual(['LOCK'])
  await (
    await take()
  )()
})

test('of many that come at once, one gets a stale directory', async () => {
  fs.writeFileSync(`${directory}/LOCK`, JSON.stringify({ ...(await currentOwner('x')), pid: 2 ** 22 + 1 }))
  const locks = await Promise.all(Array.from({ length: 8 }, () => lockDirectory(directory)))
  const taken = locks.filter((lock) => !('heldBy' in lock))
  expect(taken).toHaveLength(1)
  for (const lock of locks) if (!('heldBy' in lock)) await lock.release()
})

test('an owner in another container holds his directory while he touches the file', async () => {
  const elsewhere = { ...(await currentOwner('x')), pidNamespace: 'pid:[1]', host: 'elsewhere' }
  fs.writeFileSync(`${directory}/LOCK`, JSON.stringify(elsewhere))
  const touching = setInterval(() => fs.utimesSync(`${directory}/LOCK`, new Date(), new Date()), 500)
  expect(heldBy(await lockDirectory(directory))).toContain('on elsewhere')
  clearInterval(touching)
  await (
    await take()
  )()
})

test('an owner is gone after a restart of the machine, with his pid, or with another start of his pid', async () => {
  const self = await currentOwner('self')
  const other = { ...self, token: 'other', pid: process.ppid, processStart: '1' }
  const none: ReadonlySet<string> = new Set()
  expect(await judge({ ...other, bootId: 'before' }, self, none)).toBe('gone')
  expect(await judge({ ...other, bootId: 'before', host: 'elsewhere' }, self, none)).toBe('unknown')
  expect(await judge({ ...other, pid: 2 ** 22 + 1 }, self, none)).toBe('gone')
  expect(await judge({ ...other, pid: self.pid }, self, none)).toBe('gone')
  expect(await judge(self, { ...self, token: 'new' }, new Set(['self']))).toBe('alive')
})

test.runIf(process.platform === 'linux')('a running process is told from a later one of its pid', async () => {
  const self = await currentOwner('self')
  const stat = fs.readFileSync(`/proc/${process.ppid}/stat`, 'utf8')
  const processStart = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!
  const parent = { ...self, token: 'parent', pid: process.ppid, processStart }
  expect(await judge(parent, self, new Set())).toBe('alive')
  expect(await judge({ ...parent, processStart: '1' }, self, new Set())).toBe('gone')
})

test.runIf(process.platform === 'linux')(
  'the socket has the longest name there is, so that every Node sees it',
  async () => {
    const release = await take()
    const ours = fs
      .readFileSync('/proc/net/unix', 'latin1')
      .split('\n')
      .map((line) => line.slice(line.indexOf('@')))
      .filter((name) => name.startsWith('@hourwheel-'))
    expect(ours.length).toBeGreaterThan(0)
    // A hash fills it to the end; a padded name would end in zeros, shown as @.
    for (const name of ours) expect(name).toMatch(/^@hourwheel-[0-9a-f]{97}$/)
    await release()
  },
)
