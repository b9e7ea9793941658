/** Webhooks: how many a daemon posts in a second, to a receiver in a process of its own, and what one costs it. */

import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { connect } from '../../src/client.ts'
import { startDaemon } from '../../src/daemon/daemon.ts'
import { readConfig } from '../../src/daemon/config.ts'
import { makeLog } from '../../src/daemon/log.ts'
import { column, type Benchmark, type Figures, type Runner, type Size } from './benchmark.ts'
import { taskMaker } from './loads.ts'

interface Specification {
  readonly tasks: number
  readonly concurrency: number
}

const queue = 'bench'
const counts: Readonly<Record<Size, number>> = { tiny: 200, small: 20_000, full: 100_000 }
const batchTasks = 1_000
/** Between scheduling and the instant at which all are due. */
const leadMs = 2_000

/** The daemon; what it costs is the whole process, from the first that is due to the last that has succeeded. */
async function daemon({ tasks, concurrency, directory }: Specification & { directory: string }): Promise<Figures> {
  const receiver = await startReceiver()
  const settings = { dir: `${directory}/data`, socket: `${directory}/socket`, webhookHosts: '127.0.0.1:*' }
  const running = await startDaemon(await readConfig(settings, {}, undefined), makeLog('silent'))
  try {
    await setWebhook(settings.socket, `http://127.0.0.1:${receiver.port}/`, concurrency)
    const { engine } = running
    const at = Date.now() + leadMs
    const nextTask = taskMaker(at, 1, queue)
    for (let made = 0; made < tasks; made += batchTasks) {
      const count = Math.min(batchTasks, tasks - made)
      await engine.scheduleMany(Array.from({ length: count }, nextTask))
    }
    await sleep(Math.max(0, at - Date.now()))
    const [startedMs, usage] = [performance.now(), process.cpuUsage()]
    while ((await engine.stats()).queues[queue]!.succeeded < tasks) await sleep(5)
    const tookMs = performance.now() - startedMs
    const { user, system } = process.cpuUsage(usage)
    return { webhooksPerSecond: (tasks / tookMs) * 1_000, cpuUsEach: (user + system) / tasks }
  } finally {
    await running.close(0)
    receiver.child.kill('SIGKILL')
  }
}

async function setWebhook(socket: string, url: string, concurrency: number): Promise<void> {
  const wheel = connect({ socket })
  await wheel.setSettings(queue, { webhook: { url, concurrency } })
  await wheel.close()
}

function startReceiver(): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const script = fileURLToPath(new URL('./webhook-receiver.js', import.meta.url))
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.stdout.once('data', (line: Buffer) => resolve({ child, port: Number(line) }))
  })
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function run(runner: Runner): Promise<void> {
  const tasks = counts[runner.size]
  const subjects = Object.fromEntries(
    [10, 100].map((concurrency) => [String(concurrency), () => runner.child('daemon', { tasks, concurrency })]),
  )
  const results = await runner.alternate(runner.rounds(3), subjects)
  runner.table(
    Object.entries(results).map(([concurrency, figures]) => ({
      subject: `${concurrency} at once`,
      webhooksPerSecond: column(figures, 'webhooksPerSecond'),
      cpuUsEach: column(figures, 'cpuUsEach'),
    })),
  )
}

export const webhooks: Benchmark = {
  title: 'webhooks, to a receiver in another process on this machine',
  notes:
    'Median [min .. max] over the rounds. Payload 100 bytes of JSON, all due at one instant; each is signed, posted, answered 204 and ' +
    'its end written to the log. The processor time is that of the whole daemon.',
  programs: { daemon },
  run,
}
