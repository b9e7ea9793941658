/**
 * Metrics for Prometheus. Most are read from the engine's own counters when they are asked for, so that they cost nothing in
 * between; lateness and attempts are counted from its events. Queues beyond the first so many, largest first, are one: `_other`.
 */

import { statfs, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Engine } from '../model/engine.ts'
import type { QueueStats, Stats } from '../model/hourwheel.ts'
import { RequestTimes } from './request-times.ts'

/** No queue can be called so. */
const otherQueues = '_other'

const ended = ['succeeded', 'cancelled', 'expired', 'replaced', 'purged', 'damaged'] as const

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

export class Metrics {
  readonly times: RequestTimes = new RequestTimes()
  readonly #registry = new Registry()
  readonly #parts: MetricsParts
  readonly #gauges = new Map<string, Gauge>()
  readonly #accepted: Counter
  readonly #ended: Counter
  readonly #syncs: Counter
  readonly #syncSeconds: Counter
  #otherOverdueMs = 0

  constructor(parts: MetricsParts) {
    this.#parts = parts
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    this.#accepted = new Counter({
      name: 'hourwheel_tasks_accepted_total',
      help: 'Tasks accepted over the life of the directory',
      labelNames: ['queue'],
      registers,
    })
    this.#ended = new Counter({
      name: 'hourwheel_tasks_ended_total',
      help: 'Tasks that have ended over the life of the directory, by how',
      labelNames: ['queue', 'how'],
      registers,
    })
    this.#syncs = new Counter({
      name: 'hourwheel_wal_syncs_total',
      help: 'Syncs of the log since the start',
      registers,
    })
    this.#syncSeconds = new Counter({
      name: 'hourwheel_wal_sync_seconds_total',
      help: 'How long they took, together',
      registers,
    })
    this.#countEvents(registers)
    this.#declareGauges()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    const stats = await this.#parts.engine.stats()
    this.#readQueues(stats)
    await this.#readGauges(stats)
    return `${await this.#registry.metrics()}\n${this.times.text()}`
  }

  #countEvents(registers: Registry[]): void {
    const { engine } = this.#parts
    const lateness = new Histogram({
      name: 'hourwheel_lateness_seconds',
      help: 'Start of an attempt minus fire time of its task',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3_600],
      registers,
    })
    const attempts = new Counter({
      name: 'hourwheel_attempts_started_total',
      help: 'Attempts started by this process',
      registers,
    })
    const failures = new Counter({
      name: 'hourwheel_attempts_failed_total',
      help: 'Attempts that failed in this process',
      registers,
    })
    const jumps = new Counter({ name: 'hourwheel_clock_jumps_total', help: 'Jumps of the wall clock', registers })
    engine.on('fired', ({ lateMs }) => {
      attempts.inc()
      lateness.observe(Math.max(0, lateMs) / 1_000)
    })
    engine.on('attemptFailed', () => failures.inc())
    engine.on('clockJump', () => jumps.inc())
  }

  #gauge(name: string, help: string, labelNames: string[] = []): void {
    this.#gauges.set(name, new Gauge({ name: `hourwheel_${name}`, help, labelNames, registers: [this.#registry] }))
  }

  #declareGauges(): void {
    this.#gauge('queue_tasks', 'Tasks of a queue, by state', ['queue', 'state'])
    this.#gauge('queue_due', 'Tasks of a queue that are due and have not started', ['queue'])
    this.#gauge('queue_running', 'Attempts of a queue that run', ['queue'])
    this.#gauge('queue_overdue_seconds', 'How late the oldest due task of a queue is', ['queue'])
    this.#gauge('queue_paused', 'Whether a queue is paused', ['queue'])
    this.#gauge('queue_handled', 'Whether anything runs the tasks of a queue', ['queue'])
    this.#gauge('overdue_oldest_seconds', 'How late the oldest due task is that has not started')
    this.#gauge('conservation', 'Accepted minus what became of it: 0, or tasks were lost or made up')
    this.#gauge('healthy', 'Whether the clock is believed and nothing was damaged')
    this.#gauge('clock_held', 'Whether firing is held because the clock jumped')
    this.#gauge('disk_full', 'Whether new tasks are refused because the disk is full')
    this.#gauge('near_tasks', 'Tasks in memory')
    this.#gauge('far_tasks', 'Tasks only on disk')
    this.#gauge('near_bytes', 'Memory of tasks in memory')
    this.#gauge('wal_files', 'Log files')
    this.#gauge('wal_bytes', 'Bytes of log files in use')
    this.#gauge('wal_records_appended', 'Number of the newest record')
    this.#gauge('wal_records_synced', 'Number of the newest record on disk')
    this.#gauge('wal_sync_seconds_max', 'The longest sync of the log since the start')
    this.#gauge('segment_files', 'Segments')
    this.#gauge('segment_bytes', 'Bytes of segments')
    this.#gauge('checkpoints', 'Checkpoints since the start')
    this.#gauge('keys_bytes', 'Bytes of the view of keys')
    this.#gauge('disk_free_bytes', 'Bytes that are free on the volume of the directory')
    this.#gauge('open_count', 'How often the directory was opened')
    this.#gauge('http_connections', 'Open connections')
    this.#gauge('http_body_bytes', 'Memory of large bodies that are being received')
    this.#gauge('webhook_requests', 'Requests to the webhook of a queue since it was set', ['queue'])
    this.#gauge('webhook_failures', 'Those of them that failed', ['queue'])
    this.#gauge('webhook_openings', 'How often its breaker has opened', ['queue'])
    this.#gauge('webhook_serving', 'Whether tasks are sent to the webhook of a queue', ['queue'])
    this.#gauge('event_readers', 'Clients that listen to events')
  }

  #readQueues({ queues }: Stats): void {
    for (const name of ['tasks', 'due', 'running', 'overdue_seconds', 'paused', 'handled']) {
      this.#gauges.get(`queue_${name}`)!.reset()
    }
    this.#accepted.reset()
    this.#ended.reset()
    this.#otherOverdueMs = 0
    const all = Object.entries(queues).sort(([, a], [, b]) => b.pending + b.leased - a.pending - a.leased)
    for (const [index, [name, stats]] of all.entries()) {
      this.#readQueue(index < this.#parts.queuesMax ? name : otherQueues, stats)
    }
  }

  #readQueue(queue: string, stats: QueueStats): void {
    const add = (name: string, value: number, labels: object = {}): void =>
      this.#gauges.get(`queue_${name}`)!.inc({ queue, ...labels }, value)
    for (const state of ['pending', 'leased', 'dead'] as const) add('tasks', stats[state], { state })
    add('due', stats.due)
    add('running', stats.running)
    add('paused', Number(stats.paused))
    add('handled', Number(stats.handled))
    if (queue === otherQueues) {
      this.#otherOverdueMs = Math.max(this.#otherOverdueMs, stats.overdueOldestMs)
      this.#gauges.get('queue_overdue_seconds')!.set({ queue }, this.#otherOverdueMs / 1_000)
    } else add('overdue_seconds', stats.overdueOldestMs / 1_000)
    this.#accepted.inc({ queue }, stats.accepted)
    for (const how of ended) this.#ended.inc({ queue, how }, stats[how])
  }

  async #readGauges(stats: Stats): Promise<void> {
    const { directory, connections, eventReaders, bodyBytes } = this.#parts
    const set = (name: string, value: number): void => this.#gauges.get(name)!.set(value)
    set('overdue_oldest_seconds', stats.overdueOldestMs / 1_000)
    set('conservation', stats.conservation)
    set('healthy', Number(stats.healthy))
    set('clock_held', Number(stats.clock.held))
    set('disk_full', Number(stats.wal.diskFull))
    set('near_tasks', stats.near)
    set('far_tasks', stats.far)
    set('near_bytes', stats.nearBytes)
    set('wal_files', stats.wal.files)
    set('wal_bytes', stats.wal.bytes)
    set('wal_records_appended', stats.wal.appendedLsn)
    set('wal_records_synced', stats.wal.syncedLsn)
    set('wal_sync_seconds_max', stats.wal.syncMsMax / 1_000)
    this.#syncs.reset()
    this.#syncs.inc(stats.wal.syncs)
    this.#syncSeconds.reset()
    this.#syncSeconds.inc(stats.wal.syncMs / 1_000)
    set('segment_files', stats.segments.files)
    set('segment_bytes', stats.segments.bytes)
    set('checkpoints', stats.checkpoints)
    set('open_count', stats.openCount)
    set('http_connections', await connections())
    set('http_body_bytes', bodyBytes())
    set('event_readers', eventReaders())
    this.#readWebhooks()
    const keys = await stat(join(directory, 'keys.mdb')).catch(() => undefined)
    // LMDB's file is sparse: what counts are its blocks.
    set('keys_bytes', (keys?.blocks ?? 0) * 512)
    const disk = await statfs(directory).catch(() => undefined)
    if (disk !== undefined) set('disk_free_bytes', disk.bavail * disk.bsize)
  }

  #readWebhooks(): void {
    for (const name of ['requests', 'failures', 'openings', 'serving']) this.#gauges.get(`webhook_${name}`)!.reset()
    for (const { queue, state, requests, failed, openings } of this.#parts.webhooks().slice(0, this.#parts.queuesMax)) {
      this.#gauges.get('webhook_requests')!.set({ queue }, requests)
      this.#gauges.get('webhook_failures')!.set({ queue }, failed)
      this.#gauges.get('webhook_openings')!.set({ queue }, openings)
      this.#gauges.get('webhook_serving')!.set({ queue }, Number(state === 'serving'))
    }
  }
}
