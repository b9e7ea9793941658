/**
 * A thread that runs the built program again and again, each time from its entry point with other arguments, as a process would:
 * what is saved is starting Node and loading modules. No standard input, no terminal, no signals: those take a real process.
 */

import { workerData } from 'node:worker_threads'

const { done, port, program } = workerData
const untouched = { ...process.env }
let count = 0

port.on('message', async ({ args, env }) => {
  for (const name of Object.keys(process.env)) if (!Object.hasOwn(untouched, name)) delete process.env[name]
  Object.assign(process.env, env)
  process.argv = [process.execPath, 'hourwheel', ...args]
  process.exitCode = undefined
  const said = { out: '', err: '' }
  process.stdout.write = (text) => ((said.out += text), true)
  process.stderr.write = (text) => ((said.err += text), true)
  process.stdout.removeAllListeners('error')
  // Another query: it is evaluated anew, with what it imports as it was.
  count += 1
  await import(`${program}?${count}`)
  port.postMessage({ code: process.exitCode ?? 0, ...said })
  Atomics.store(done, 0, 1)
  Atomics.notify(done, 0)
})
