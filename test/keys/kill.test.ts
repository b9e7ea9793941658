/** The built package: what a key names survives kill -9 at any moment, and two callers never make two tasks of one key. */

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
// Threads run from compiled code only.
import { openEngine } from '../../dist/index.js'
import { temporaryDirectory } from '../temporary-directory.ts'

const child = fileURLToPath(new URL('./kill-child.mjs', import.meta.url))
/** Lets a child work for a while and kills it; gives the lines it wrote. */
async function killedRun(directory: string, seed: number): Promise<string[]> {
  const running = spawn(process.execPath, [child, directory, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = new Promise<void>((resolve) => running.on('close', () => resolve()))
  let text = ''
  let timer: NodeJS.Timeout | undefined
  running.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    timer ??= setTimeout(() => running.kill('SIGKILL'), 20 + Math.random() * 300)
  })
  await closed
  clearTimeout(timer)
  // The last line may be torn.
  return text.split('\n').slice(0, -1)
}

const rounds = Number(process.env['HOURWHEEL_KILL_ROUNDS'] ?? 6)

test(
  `${rounds} times killed: each key has had one task all the time`,
  { timeout: 60_000 + rounds * 5_000 },
  async () => {
    const directory = temporaryDirectory()
    const ids = new Map<string, string>()
    for (let round = 0; round < rounds; round++) {
      for (const line of await killedRun(directory, round)) {
        const [key, id] = line.split(' ') as [string, string]
        expect(ids.get(key) ?? id).toBe(id)
        ids.set(key, id)
      }
    }
    expect(ids.size).toBeGreaterThan(100)
    const engine = await openEngine({ dir: directory })
    const stats = await engine.stats()
    expect(stats.conservation).toBe(0)
    for (const [key, id] of ids) {
      expect(await engine.schedule({ queue: 'q', key, delay: '30d' })).toMatchObject({ id, outcome: 'kept' })
    }
    // Keys that nobody was told of have one task as well.
    const found = new Set<string>()
    for await (const { key, id } of engine.list({ queue: 'q' })) {
      expect(found.has(key!)).toBe(false)
      found.add(key!)
      expect(ids.get(key!) ?? id).toBe(id)
    }
    await engine.close()
  },
)

const taskCount = Number(process.env['HOURWHEEL_RACING_TASKS'] ?? 10_000)

test(`two clients schedule the same ${taskCount} keys: ${taskCount} tasks`, { timeout: 120_000 }, async () => {
  const engine = await openEngine({ dir: temporaryDirectory() })
  const client = async (from: number): Promise<number> => {
    let created = 0
    const inFlight = 200
    let next = 0
    await Promise.all(
      Array.from({ length: inFlight }, async () => {
        while (next < taskCount) {
          const key = `order-${(from + next++) % taskCount}`
          const { outcome } = await engine.schedule({ queue: 'q', key, delay: '30d' })
          if (outcome === 'created') created++
        }
      }),
    )
    return created
  }
  const created = await Promise.all([client(0), client(Math.floor(taskCount / 3))])
  expect(created[0] + created[1]).toBe(taskCount)
  const { queues } = await engine.stats()
  expect(queues['q']).toMatchObject({ accepted: taskCount, pending: taskCount })
  await engine.close()
})
