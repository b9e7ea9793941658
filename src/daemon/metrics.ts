/**
 * Metrics for Prometheus. Most are read from the engine's own counters when they are asked for, so that they cost nothing in
 * between: the tables say what each of these is called and where it comes from. Lateness and attempts are counted from events,
 * requests in request-times.ts. Queues beyond the first so many, largest first, are one: `_other`.
 */

import { statfs, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Engine } from '../model/engine.ts'
import type { QueueStats, Stats } from '../model/engine-reports.ts'
import { endedStates } from '../model/state-table.ts'
import { RequestTimes } from './request-times.ts'

/** Of one webhook. */
export interface WebhookFigures {
  readonly queue: string
  readonly state: string
  readonly requests: number
  readonly failed: number
  readonly openings: number
}

export interface MetricsParts {
  readonly engine: Engine
  readonly directory: string
  readonly queuesMax: number
  readonly connections: () => Promise<number>
  readonly eventReaders: () => number
  readonly bodyBytes: () => number
  readonly webhooks: () => readonly WebhookFigures[]
}

/** No queue can be called so. */
const otherQueues = '_other'

const states = ['pending', 'leased', 'dead'] as const

interface Described {
  /** Without `hourwheel_`. */
  readonly name: string
  readonly help: string
}

interface EngineGauge extends Described {
  /** Undefined where the system does not tell. */
  readonly read: (stats: Stats, parts: MetricsParts) => number | undefined | Promise<number | undefined>
}

const engineGauges: readonly EngineGauge[] = [
  {
    name: 'overdue_oldest_seconds',
    help: 'How late the oldest due task is that has not started',
    read: ({ overdueOldestMs }) => overdueOldestMs / 1_000,
  },
  {
    name: 'conservation',
    help: 'Accepted minus what became of it: 0, or tasks were lost or made up',
    read: ({ conservation }) => conservation,
  },
  {
    name: 'healthy',
    help: 'Whether the clock is believed and nothing was damaged',
    read: ({ healthy }) => Number(healthy),
  },
  {
    name: 'clock_held',
    help: 'Whether firing is held because the clock jumped',
    read: ({ clock }) => Number(clock.held),
  },
  {
    name: 'disk_full',
    help: 'Whether new tasks are refused because the disk is full',
    read: ({ wal }) => Number(wal.diskFull),
  },
  { name: 'near_tasks', help: 'Tasks in memory', read: ({ near }) => near },
  { name: 'far_tasks', help: 'Tasks only on disk', read: ({ far }) => far },
  { name: 'near_bytes', help: 'Memory of tasks in memory', read: ({ nearBytes }) => nearBytes },
  { name: 'wal_files', help: 'Log files', read: ({ wal }) => wal.files },
  { name: 'wal_bytes', help: 'Bytes of log files in use', read: ({ wal }) => wal.bytes },
  { name: 'wal_records_appended', help: 'Number of the newest record', read: ({ wal }) => wal.appendedLsn },
  { name: 'wal_records_synced', help: 'Number of the newest record on disk', read: ({ wal }) => wal.syncedLsn },
  {
    name: 'wal_sync_seconds_max',
    help: 'The longest sync of the log since the start',
    read: ({ wal }) => wal.syncMsMax / 1_000,
  },
  { name: 'segment_files', help: 'Segments', read: ({ segments }) => segments.files },
  { name: 'segment_bytes', help: 'Bytes of segments', read: ({ segments }) => segments.bytes },
  { name: 'checkpoints', help: 'Checkpoints since the start', read: ({ checkpoints }) => checkpoints },
  { name: 'keys_bytes', help: 'Bytes of the view of keys', read: (_stats, { directory }) => keysBytes(directory) },
  {
    name: 'disk_free_bytes',
    help: 'Bytes that are free on the volume of the directory',
    read: (_stats, { directory }) => diskFreeBytes(directory),
  },
  { name: 'opens', help: 'How often the directory was opened', read: ({ openCount }) => openCount },
  { name: 'http_connections', help: 'Open connections', read: (_stats, { connections }) => connections() },
  {
    name: 'http_body_bytes',
    help: 'Memory of large bodies that are being received',
    read: (_stats, { bodyBytes }) => bodyBytes(),
  },
  { name: 'event_readers', help: 'Clients that listen to events', read: (_stats, { eventReaders }) => eventReaders() },
]

interface QueueGauge extends Described {
  readonly read: (stats: QueueStats) => number
  /** What is said of several queues together: their sum, unless it is the largest. */
  readonly isLargest?: boolean
}

const queueGauges: readonly QueueGauge[] = [
  { name: 'queue_due', help: 'Tasks of a queue that are due and have not started', read: ({ due }) => due },
  { name: 'queue_running', help: 'Attempts of a queue that run', read: ({ running }) => running },
  {
    name: 'queue_overdue_seconds',
    help: 'How late the oldest due task of a queue is',
    read: ({ overdueOldestMs }) => overdueOldestMs / 1_000,
    isLargest: true,
  },
  { name: 'queue_paused', help: 'Whether a queue is paused', read: ({ paused }) => Number(paused) },
  {
    name: 'queue_handled',
    help: 'Whether anything runs the tasks of a queue',
    read: ({ handled }) => Number(handled),
  },
]

const webhookGauges: readonly (Described & { readonly read: (figures: WebhookFigures) => number })[] = [
  {
    name: 'webhook_requests',
    help: 'Requests to the webhook of a queue since it was set',
    read: ({ requests }) => requests,
  },
  { name: 'webhook_failures', help: 'Those of them that failed', read: ({ failed }) => failed },
  { name: 'webhook_openings', help: 'How often its breaker has opened', read: ({ openings }) => openings },
  {
    name: 'webhook_serving',
    help: 'Whether tasks are sent to the webhook of a queue',
    read: ({ state }) => Number(state === 'serving'),
  },
]

export class Metrics {
  readonly times: RequestTimes = new RequestTimes()
  readonly #registry = new Registry()
  readonly #parts: MetricsParts
  readonly #gauges = new Map<string, Gauge>()
  readonly #counters = new Map<string, Counter>()

  constructor(parts: MetricsParts) {
    this.#parts = parts
    collectDefaultMetrics({ register: this.#registry })
    this.#counter('tasks_accepted_total', 'Tasks accepted over the life of the directory', ['queue'])
    const endedHelp = 'Tasks that have ended over the life of the directory, by how'
    this.#counter('tasks_ended_total', endedHelp, ['queue', 'how'])
    this.#counter('wal_syncs_total', 'Syncs of the log since the start')
    this.#counter('wal_sync_seconds_total', 'How long they took, together')
    this.#countEvents()
    this.#gauge({ name: 'queue_tasks', help: 'Tasks of a queue, by state' }, ['queue', 'state'])
    for (const gauge of [...queueGauges, ...webhookGauges]) this.#gauge(gauge, ['queue'])
    for (const gauge of engineGauges) this.#gauge(gauge, [])
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    const stats = await this.#parts.engine.stats()
    this.#readQueues(stats)
    this.#readWebhooks()
    await this.#readEngine(stats)
    return `${await this.#registry.metrics()}\n${this.times.text()}`
  }

  #countEvents(): void {
    const { engine } = this.#parts
    const lateness = new Histogram({
      name: 'hourwheel_lateness_seconds',
      help: 'Start of an attempt minus fire time of its task',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3_600],
      registers: [this.#registry],
    })
    const attempts = this.#counter('attempts_started_total', 'Attempts started by this process')
    const failures = this.#counter('attempts_failed_total', 'Attempts that failed in this process')
    const jumps = this.#counter('clock_jumps_total', 'Jumps of the wall clock')
    engine.on('fired', ({ lateMs }) => {
      attempts.inc()
      lateness.observe(Math.max(0, lateMs) / 1_000)
    })
    engine.on('attemptFailed', () => failures.inc())
    engine.on('clockJump', () => jumps.inc())
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    const counter = new Counter({ name: `hourwheel_${name}`, help, labelNames, registers: [this.#registry] })
    this.#counters.set(name, counter)
    return counter
  }

  #gauge({ name, help }: Described, labelNames: string[]): void {
    this.#gauges.set(name, new Gauge({ name: `hourwheel_${name}`, help, labelNames, registers: [this.#registry] }))
  }

  /** Gauges and counters whose queues may have gone, or become others, are written anew each time. */
  #readQueues({ queues }: Stats): void {
    const [tasks, accepted, ended] = [
      this.#gauges.get('queue_tasks')!,
      this.#counters.get('tasks_accepted_total')!,
      this.#counters.get('tasks_ended_total')!,
    ]
    for (const { name } of queueGauges) this.#gauges.get(name)!.reset()
    for (const one of [tasks, accepted, ended]) one.reset()
    for (const [queue, stats] of this.#byLabel(queues)) {
      for (const { name, read, isLargest } of queueGauges) {
        const values = stats.map(read)
        this.#gauges.get(name)!.set({ queue }, isLargest === true ? largest(values) : sum(values))
      }
      for (const state of states) tasks.set({ queue, state }, sum(stats.map((one) => one[state])))
      accepted.inc({ queue }, sum(stats.map((one) => one.accepted)))
      for (const how of endedStates) ended.inc({ queue, how }, sum(stats.map((one) => one[how])))
    }
  }

  /** Queues by the name they have here: the largest by their own. */
  #byLabel(queues: Stats['queues']): Map<string, QueueStats[]> {
    const { queuesMax } = this.#parts
    const all = Object.entries(queues).sort(([, a], [, b]) => b.pending + b.leased - a.pending - a.leased)
    const byLabel = new Map<string, QueueStats[]>(all.slice(0, queuesMax).map(([name, stats]) => [name, [stats]]))
    if (all.length > queuesMax) {
      byLabel.set(
        otherQueues,
        all.slice(queuesMax).map(([, stats]) => stats),
      )
    }
    return byLabel
  }

  #readWebhooks(): void {
    const figures = this.#parts.webhooks().slice(0, this.#parts.queuesMax)
    for (const { name, read } of webhookGauges) {
      const gauge = this.#gauges.get(name)!
      gauge.reset()
      for (const one of figures) gauge.set({ queue: one.queue }, read(one))
    }
  }

  async #readEngine(stats: Stats): Promise<void> {
    const { syncs, syncMs } = stats.wal
    for (const [name, value] of [
      ['wal_syncs_total', syncs],
      ['wal_sync_seconds_total', syncMs / 1_000],
    ] as const) {
      const counter = this.#counters.get(name)!
      counter.reset()
      counter.inc(value)
    }
    for (const { name, read } of engineGauges) {
      const value = await read(stats, this.#parts)
      if (value !== undefined) this.#gauges.get(name)!.set(value)
    }
  }
}

/** LMDB's file is sparse: what counts are its blocks. */
async function keysBytes(directory: string): Promise<number> {
  const keys = await stat(join(directory, 'keys.mdb')).catch(() => undefined)
  return (keys?.blocks ?? 0) * 512
}

async function diskFreeBytes(directory: string): Promise<number | undefined> {
  const disk = await statfs(directory).catch(() => undefined)
  return disk === undefined ? undefined : disk.bavail * disk.bsize
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0)
}
