/**
 * A workflow of ten steps on the public API, in one process that may be killed at any time: each step is a task that schedules
 * the next one in the same durable step as its own end. So exactly one step of a run is alive at every moment, whatever happens,
 * and the payload carries what the steps before have found.
 *
 * A step that was killed is run again: it must be idempotent, as with every queue. Here each appends a line to a file, and a step
 * that finds its line there has been done.
 *
 *     node workflow-runner.mjs ./data ./journal 3      # three runs
 */

import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { openEngine } from 'hourwheel'

const [dir = './workflow-data', journal = './workflow-journal', runs = '1'] = process.argv.slice(2)
const steps = ['reserve', 'charge', 'pick', 'pack', 'label', 'ship', 'notify', 'follow-up', 'survey', 'archive']
const queue = 'workflow'

const lines = () => (existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').filter(Boolean) : [])

const engine = await openEngine({ dir, queues: { [queue]: { retry: { delay: '20ms', maxDelay: '1s' } } } })
const finished = new Set(lines().filter((line) => line.endsWith(steps.at(-1))))

await engine.handle(queue, ({ payload: { run, step, total } }, context) => {
  const line = `${run} ${step} ${steps[step]}`
  if (!lines().includes(line)) appendFileSync(journal, `${line}\n`)
  const found = total + step
  if (step + 1 < steps.length) {
    context.scheduleNext({ queue, delay: '5ms', payload: { run, step: step + 1, total: found } })
  } else {
    console.log(`${run}: ${steps.length} steps, total ${found}`)
    finished.add(line)
  }
})

// By key: a run that was started before the last crash is not started again.
for (let run = 1; run <= Number(runs); run++) {
  await engine.schedule({ queue, key: `run-${run}`, delay: 0, payload: { run: `run-${run}`, step: 0, total: 0 } })
}
while (finished.size < Number(runs)) await new Promise((resolve) => setTimeout(resolve, 10))
await engine.close()
