/**
 * Fills a small disk under a daemon, sees over HTTP what is refused and what still works, kills the daemon, starts it on the full
 * disk, frees the disk, and says what it saw as JSON.
 *
 *     node disk-full.mjs <program of the package> <directory of the disk> <socket>
 */

import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fillUp } from '../faults/fill-up.mjs'

const [, , program = '', disk = '', socket = ''] = process.argv
const flags = [
  '--dir',
  `${disk}/data`,
  '--socket',
  socket,
  '--wal-file-bytes',
  '65536',
  '--log-level',
  'info',
  '--drain',
  '0',
]
const fill = 'x'.repeat(1_000)
const seen = { refused: [], ready: [], cancelled: 0, kept: 0, lost: 0, conservation: undefined }

let daemon = await start()
const ids = []
const schedule = () => call('POST', '/v1/tasks', { queue: 'far', delay: '30d', payload: { fill } })
for (let n = 0; n < 50; n++) ids.push((await schedule()).json.id)
seen.ready.push((await call('GET', '/readyz')).status)

fillUp(`${disk}/filler`)
while (seen.refused.length < 5) {
  const { status, json, headers } = await schedule()
  if (status === 201) ids.push(json.id)
  else seen.refused.push(`${status} ${json.code} ${json.outcome} ${headers['retry-after']}`)
}
seen.ready.push((await call('GET', '/readyz')).status)
for (const id of ids.splice(0, 10))
  if ((await call('DELETE', `/v1/tasks/${id}`)).json.outcome === 'cancelled') seen.cancelled++

daemon.kill('SIGKILL')
await new Promise((resolve) => daemon.once('exit', resolve))
fs.unlinkSync(`${disk}/filler`)
daemon = await start()
while ((await schedule()).status !== 201) await sleep(20)
seen.ready.push((await call('GET', '/readyz')).status)
seen.conservation = (await call('GET', '/v1/stats')).json.conservation
const { tasks } = (await call('GET', '/v1/tasks?limit=1000')).json
const there = new Set(tasks.map(({ id }) => id))
seen.kept = ids.length
seen.lost = ids.filter((id) => !there.has(id)).length
daemon.kill('SIGKILL')
process.stdout.write(JSON.stringify(seen))

function start() {
  const child = spawn(process.execPath, [program, 'serve', ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text
      if (output.includes('hourwheel serves')) resolve(child)
    })
    child.once('exit', (code) => reject(new Error(`the daemon ended with ${code}: ${output}`)))
  })
}

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const one = request({ socketPath: socket, method, path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, json: JSON.parse(text) }),
      )
    })
    one.on('error', reject)
    one.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
