/** What is in deploy/: it parses, names only metrics, flags and variables that exist, and describes them consistently. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { environmentName, settingNames } from '../../src/daemon/settings.ts'
import { serve, temporary, until, type Served } from './rig.ts'

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url))
const text = (name: string): string => readFileSync(join(deploy, name), 'utf8')

const directory = temporary()
let daemon: Served
/** Names of all series that the daemon gives. */
let series = new Set<string>()
let metrics = ''

beforeAll(async () => {
  daemon = await serve([
    '--dir',
    `${directory.path}/data`,
    '--drain',
    '0',
    '--metrics-queues-max',
    '2',
    '--webhook-hosts',
    '127.0.0.1:*',
  ])
  const webhook = { url: 'http://127.0.0.1:9/x' }
  await daemon.call('PUT', '/v1/queues/a/settings', { body: { webhook } })
  for (const queue of ['a', 'b', 'c', 'd']) await daemon.call('POST', '/v1/tasks', { body: { queue, delay: '1d' } })
  await daemon.call('POST', '/v1/tasks', { body: { queue: 'due', delay: 0 } })
  await daemon.call('POST', '/v1/queues/due/leases', { body: { wait: '10s' } })
  await until(async () => {
    metrics = (await daemon.call('GET', '/metrics')).text
    return metrics.includes('hourwheel_attempts_started_total 1')
  })
  series = new Set(metrics.split('\n').flatMap((line) => /^[a-z0-9_]+/u.exec(line)?.[0] ?? []))
})

afterAll(async () => {
  await daemon.end()
  directory.remove()
})

/** Names of metrics in an expression: ours, and those of Node and the process. */
const metricsIn = (expression: string): string[] =>
  expression.match(/\b(?:hourwheel|nodejs|process)_[a-z0-9_]+/gu) ?? []

describe('metrics', () => {
  it('are exposed in the text format, with help and type for each', () => {
    for (const line of metrics.trimEnd().split('\n')) {
      expect(line).toMatch(
        /^(?:|# (?:HELP|TYPE) [a-z0-9_]+ .+|[a-z0-9_]+(?:\{(?:[a-z_]+="[^"]*",?)*\})? (?:-?[\d.e+-]+|NaN|\+Inf))$/u,
      )
    }
    const typed = new Set([...metrics.matchAll(/^# TYPE (\S+)/gmu)].map(([, name]) => name!))
    for (const name of series)
      expect(typed.has(name.replace(/_(?:bucket|sum|count)$/u, '')) || typed.has(name), name).toBe(true)
  })

  it('say what is needed to run it', () => {
    for (const name of [
      'hourwheel_tasks_accepted_total',
      'hourwheel_lateness_seconds_bucket',
      'hourwheel_wal_sync_seconds_total',
      'hourwheel_queue_tasks',
      'hourwheel_overdue_oldest_seconds',
      'hourwheel_conservation',
      'hourwheel_wal_bytes',
      'hourwheel_disk_free_bytes',
      'nodejs_eventloop_lag_p99_seconds',
    ]) {
      expect(series, name).toContain(name)
    }
  })

  it('have labels for so many queues, and one for all others', () => {
    const queues = new Set(
      [...metrics.matchAll(/^hourwheel_queue_tasks\{queue="([^"]*)"/gmu)].map(([, queue]) => queue),
    )
    expect(queues.size).toBe(3)
    expect(queues).toContain('_other')
    const pending = [...metrics.matchAll(/^hourwheel_queue_tasks\{.*state="pending"\} (\d+)$/gmu)].map(([, count]) =>
      Number(count),
    )
    expect(pending.reduce((sum, count) => sum + count, 0)).toBe(4)
  })
})

describe('deploy', () => {
  it('has these files and no others', () => {
    expect(readdirSync(deploy).toSorted()).toEqual([
      'Dockerfile',
      'alerts.yaml',
      'compose.yaml',
      'grafana-dashboard.json',
      'hourwheel.service',
      'prometheus.yaml',
    ])
  })

  it('alerts: each has a severity, says what is wrong, and reads metrics that exist', () => {
    const { groups } = parse(text('alerts.yaml')) as {
      groups: {
        rules: { alert: string; expr: string; labels: { severity: string }; annotations: { summary: string } }[]
      }[]
    }
    const rules = groups.flatMap((group) => group.rules)
    expect(rules.length).toBeGreaterThan(8)
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const { alert, expr, labels, annotations } of rules) {
      expect(['page', 'ticket'], alert).toContain(labels.severity)
      expect(annotations.summary.length, alert).toBeGreaterThan(10)
      for (const name of metricsIn(expr)) expect(series, `${alert}: ${name}`).toContain(name)
      expect(expr.split('(').length, `${alert}: brackets`).toBe(expr.split(')').length)
    }
  })

  it('dashboard: every panel reads metrics that exist, and none lies on another', () => {
    const { panels } = JSON.parse(text('grafana-dashboard.json')) as {
      panels: {
        id: number
        title: string
        gridPos: { x: number; y: number; w: number; h: number }
        targets: { expr: string }[]
      }[]
    }
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const taken = new Set<string>()
    for (const { title, gridPos, targets } of panels) {
      expect(targets.length, title).toBeGreaterThan(0)
      for (const { expr } of targets) {
        expect(metricsIn(expr).length, `${title}: ${expr}`).toBeGreaterThan(0)
        for (const name of metricsIn(expr)) expect(series, `${title}: ${name}`).toContain(name)
      }
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), title).toBe(false)
          taken.add(`${x} ${y}`)
        }
      }
    }
  })

  it('compose: services, volumes and files that it names are there', () => {
    const compose = parse(text('compose.yaml')) as {
      services: Record<string, { volumes?: string[]; depends_on?: unknown; build?: { dockerfile: string } }>
      volumes: Record<string, null>
    }
    const names = Object.keys(compose.services)
    for (const [name, { volumes = [], depends_on: needs = [] }] of Object.entries(compose.services)) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':')
        if (source.startsWith('.')) expect(readdirSync(deploy), volume).toContain(source.slice(2))
        else expect(Object.keys(compose.volumes), `${name}: ${volume}`).toContain(source)
      }
      for (const need of Array.isArray(needs) ? (needs as string[]) : Object.keys(needs as object))
        expect(names).toContain(need)
    }
    const prometheus = parse(text('prometheus.yaml')) as {
      scrape_configs: { static_configs: { targets: string[] }[] }[]
    }
    const target = prometheus.scrape_configs[0]!.static_configs[0]!.targets[0]!
    expect(names).toContain(target.split(':')[0])
    expect(JSON.stringify(compose.services['metrics'])).toContain(`TCP-LISTEN:${target.split(':')[1]}`)
  })

  it('unit, image and compose file set only variables that there are', () => {
    const known = new Set([...settingNames.map(environmentName), 'HOURWHEEL_CONFIG'])
    for (const name of ['hourwheel.service', 'Dockerfile', 'compose.yaml']) {
      const used = text(name).match(/\bHOURWHEEL_[A-Z_]+/gu) ?? []
      for (const variable of used) expect(known, `${name}: ${variable}`).toContain(variable)
    }
  })

  it('unit: every line is a section, a comment or a setting, and those that harden it are there', () => {
    const lines = text('hourwheel.service').split('\n')
    for (const line of lines) expect(line).toMatch(/^(?:|#.*|\[(?:Unit|Service|Install)\]|[A-Z][A-Za-z]+=.*)$/u)
    for (const setting of [
      'NoNewPrivileges=yes',
      'ProtectSystem=strict',
      'DynamicUser=yes',
      'CapabilityBoundingSet=',
      'PrivateTmp=yes',
    ]) {
      expect(lines).toContain(setting)
    }
  })

  it('image: is built in two stages, runs as no root, and stops by SIGTERM', () => {
    const steps = text('Dockerfile')
      .split('\n')
      .filter((line) => /^[A-Z]+ /u.test(line))
    expect(steps.filter((line) => line.startsWith('FROM '))).toHaveLength(2)
    expect(steps).toContain('USER node')
    expect(steps).toContain('STOPSIGNAL SIGTERM')
    const copied = steps.flatMap((line) => /^COPY (?!--)(.+) \S+$/u.exec(line)?.[1]?.split(' ') ?? [])
    const root = readdirSync(join(deploy, '..'))
    for (const name of copied) expect(root).toContain(name)
  })
})
