/**
 * kill -9 of the daemon under load, round after round on one directory, its clients going on all the while: each repeats a call
 * by the same key until it is acknowledged, whichever daemon that takes. Then everything is held against what is in the store:
 *
 * - a key that was acknowledged names one task, with one id, however often it was sent; also in batches, which are whole or absent
 * - what was acknowledged as cancelled is never pending again
 * - an acknowledged lease is not handed out again, and in the end every due task was acknowledged
 * - counters and conservation agree with a full listing
 */

import { spawn, type ChildProcess } from 'node:child_process'
import * as http from 'node:http'
import * as path from 'node:path'
import { seededRandom } from './random.ts'

export interface DaemonRoundsOptions {
  /** Of the data, and of the socket beside it. */
  readonly dir: string
  /** The program of the package under test. */
  readonly program: string
  readonly rounds: number
  readonly seed: number
}

export interface DaemonRounds {
  readonly violations: string[]
  readonly counts: { acknowledged: number; repeated: number; cancelled: number; acked: number; kills: number }
}

interface Answer {
  readonly status: number
  readonly json: Readonly<Record<string, unknown>>
}

interface Known {
  id?: string
  isCancelled: boolean
}

const schedulers = 4
const pullers = 1
const day = 86_400_000
/** A daemon is killed at the latest so long after it serves. */
const killMsMax = 300

export async function daemonRounds(options: DaemonRoundsOptions): Promise<DaemonRounds> {
  const load = new Load(options)
  await load.run()
  return { violations: load.violations, counts: load.counts }
}

class Load {
  readonly violations: string[] = []
  readonly counts = { acknowledged: 0, repeated: 0, cancelled: 0, acked: 0, kills: 0 }
  readonly #options: DaemonRoundsOptions
  readonly #random: () => number
  readonly #agent = new http.Agent({ keepAlive: true })
  /** By key: tasks of the far future, and tasks that are due at once. */
  readonly #far: Map<string, Known> = new Map()
  readonly #due: Map<string, Known> = new Map()
  readonly #acked: Set<string> = new Set()
  readonly #socket: string
  #keys = 0
  #isOver = false

  constructor(options: DaemonRoundsOptions) {
    this.#options = options
    this.#socket = path.join(options.dir, 's')
    this.#random = seededRandom(options.seed)
  }

  async run(): Promise<void> {
    let daemon = await this.#start()
    const clients = [
      ...Array.from({ length: schedulers }, () => this.#client(() => this.#scheduleSome())),
      ...Array.from({ length: pullers }, () => this.#client(() => this.#pull())),
    ]
    for (let round = 1; round <= this.#options.rounds && this.violations.length === 0; round++) {
      await pause(this.#random() * killMsMax)
      await end(daemon, 'SIGKILL')
      this.counts.kills++
      daemon = await this.#start()
    }
    this.#isOver = true
    await Promise.all(clients)
    if (this.violations.length === 0) await this.#judge()
    await end(daemon, 'SIGKILL')
    this.#agent.destroy()
  }

  /** Does one thing after the other until all rounds are over. */
  async #client(act: () => Promise<void>): Promise<void> {
    while (!this.#isOver && this.violations.length === 0) await act()
  }

  async #scheduleSome(): Promise<void> {
    const dice = this.#random()
    if (dice < 0.4) await this.#put()
    else if (dice < 0.6) await this.#post()
    else if (dice < 0.8) await this.#batch()
    else await this.#cancel()
  }

  async #put(): Promise<void> {
    const key = `put/${++this.#keys}`
    const url = `/v1/queues/far/tasks/${encodeURIComponent(key)}`
    const { json } = await this.#untilAnswered('PUT', url, { at: Date.now() + day, payload: key })
    this.#acknowledge(this.#far, key, json)
  }

  async #post(): Promise<void> {
    const key = `due/${++this.#keys}`
    const { json } = await this.#untilAnswered('POST', '/v1/tasks', { queue: 'due', key, delay: 0, payload: key })
    this.#acknowledge(this.#due, key, json)
  }

  async #batch(): Promise<void> {
    const first = (this.#keys += 10)
    const tasks = Array.from({ length: 10 }, (_, n) => ({
      queue: 'far',
      key: `batch/${first - n}`,
      at: Date.now() + day,
      payload: `batch/${first - n}`,
    }))
    const { json } = await this.#untilAnswered('POST', '/v1/tasks/batch', tasks)
    const receipts = json['receipts'] as Record<string, unknown>[]
    // Whole or absent: all of them were kept, or none.
    if (new Set(receipts.map(({ outcome }) => outcome)).size !== 1) this.#violation(`batch ${first} was done in part`)
    for (const [n, receipt] of receipts.entries()) this.#acknowledge(this.#far, tasks[n]!.key, receipt)
  }

  async #cancel(): Promise<void> {
    const open = [...this.#far].filter(([, { id, isCancelled }]) => id !== undefined && !isCancelled)
    const picked = open[Math.floor(this.#random() * open.length)]
    if (picked === undefined) return
    const [key, known] = picked
    const { json } = await this.#untilAnswered('DELETE', `/v1/tasks/${known.id}`)
    // The first call may have been done without an answer; another client may have been quicker.
    if (json['outcome'] !== 'cancelled' && json['how'] !== 'cancelled')
      this.#violation(`${key}: cancel answered ${JSON.stringify(json)}`)
    known.isCancelled = true
    this.counts.cancelled++
  }

  async #pull(): Promise<void> {
    const leased = await this.#once('POST', '/v1/queues/due/leases', { max: 20, wait: '100ms', lease: '2s' })
    if (leased?.status !== 200) return
    const tasks = leased.json['tasks'] as { token: string; id: string }[]
    for (const { id } of tasks) {
      if (this.#acked.has(id)) this.#violation(`${id} was leased after its ack was acknowledged`)
    }
    const answers = tasks.map(({ token }) => ({ token }))
    const acked = await this.#once('POST', '/v1/leases/ack-many', { answers })
    if (acked?.status !== 200) return
    for (const [n, { outcome }] of (acked.json['answers'] as { outcome: string }[]).entries()) {
      if (outcome !== 'acked') continue
      this.#acked.add(tasks[n]!.id)
      this.counts.acked++
    }
  }

  #acknowledge(known: Map<string, Known>, key: string, receipt: Readonly<Record<string, unknown>>): void {
    const id = String(receipt['id'])
    const before = known.get(key)
    if (before?.id !== undefined && before.id !== id) this.#violation(`${key} is ${before.id} and ${id}`)
    known.set(key, { id, isCancelled: before?.isCancelled ?? false })
    this.counts.acknowledged++
  }

  /** What is in the store, once nothing is under way any more. */
  async #judge(): Promise<void> {
    // Those that were leased when a daemon was killed are due again.
    for (;;) {
      const { json } = await this.#untilAnswered('GET', '/v1/stats')
      const { due } = json['queues'] as Record<string, Record<string, number>>
      if (due!['pending'] === 0 && due!['leased'] === 0) break
      await Promise.all(Array.from({ length: 8 }, () => this.#pull()))
    }
    const found = new Map<string, string>()
    let cursor: unknown
    do {
      const at = typeof cursor === 'string' ? `&cursor=${cursor}` : ''
      const { json } = await this.#untilAnswered('GET', `/v1/tasks?queue=far&limit=1000${at}`)
      for (const task of json['tasks'] as { id: string; key: string; payload: string }[]) {
        if (found.has(task.key)) this.#violation(`${task.key} is there twice`)
        if (task.payload !== task.key) this.#violation(`${task.key} has the payload of ${task.payload}`)
        found.set(task.key, task.id)
      }
      cursor = json['cursor']
    } while (cursor !== undefined)
    for (const [key, { id, isCancelled }] of this.#far) {
      if (isCancelled && found.has(key)) this.#violation(`${key} is pending after it was cancelled`)
      if (!isCancelled && found.get(key) !== id)
        this.#violation(`${key} was acknowledged as ${id}, and is ${found.get(key)}`)
    }
    const { json } = await this.#untilAnswered('GET', '/v1/stats')
    const { far, due } = json['queues'] as Record<string, Record<string, number>>
    if (json['conservation'] !== 0) this.#violation(`conservation is ${String(json['conservation'])}`)
    if (far!['pending'] !== found.size) this.#violation(`${found.size} tasks listed, ${far!['pending']} counted`)
    if (far!['accepted'] !== this.#far.size) this.#violation(`${this.#far.size} keys, ${far!['accepted']} accepted`)
    if (due!['accepted'] !== this.#due.size) this.#violation(`${this.#due.size} due keys, ${due!['accepted']} accepted`)
    if (due!['succeeded'] !== this.#due.size)
      this.#violation(`${this.#due.size} due keys, ${due!['succeeded']} succeeded`)
  }

  /** Repeats a call until it is answered: while the daemon is away, and when it does not know what became of it. */
  async #untilAnswered(method: string, url: string, body?: unknown): Promise<Answer> {
    for (;;) {
      const answer = await this.#once(method, url, body)
      const isAnswer = answer !== undefined && answer.status < 300
      // A cancel finds that an earlier one, whose answer was lost, has been done.
      if (isAnswer) return answer
      if (answer !== undefined && answer.status < 500 && answer.status !== 429) {
        this.#violation(`${method} ${url}: ${answer.status} ${JSON.stringify(answer.json)}`)
        return answer
      }
      this.counts.repeated++
      await pause(5)
    }
  }

  /** Undefined when the connection breaks, or there is none. */
  #once(method: string, url: string, body?: unknown): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      const headers = { 'content-type': 'application/json' }
      const request = http.request(
        { socketPath: this.#socket, agent: this.#agent, method, path: url, headers },
        (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => (text += chunk))
          response.on('error', () => resolve(undefined))
          response.on('close', () => resolve(undefined))
          response.on('end', () => {
            resolve({ status: response.statusCode!, json: JSON.parse(text) as Record<string, unknown> })
          })
        },
      )
      request.on('error', () => resolve(undefined))
      request.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  #violation(text: string): void {
    this.violations.push(text)
  }

  #start(): Promise<ChildProcess> {
    const { program, dir } = this.#options
    const sizes = ['--wal-file-bytes', '65536', '--wal-files-max', '2', '--near-bytes-max', '1MiB']
    const flags = ['serve', '--dir', path.join(dir, 'data'), '--socket', this.#socket, '--log-level', 'info', ...sizes]
    const child = spawn(process.execPath, [program, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
    return new Promise((resolve, reject) => {
      let output = ''
      const take = (chunk: string): void => {
        if (output.length < 100_000) output += chunk
        if (output.includes('hourwheel serves')) resolve(child)
      }
      child.stdout.setEncoding('utf8').on('data', take)
      child.stderr.setEncoding('utf8').on('data', take)
      child.once('exit', (code) => reject(new Error(`the daemon ended with ${code}: ${output}`)))
    })
  }
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill(signal)
  })
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
