/** Handlers that do real work: they write files, call a server on this machine, compute pictures, and fail as such things do. */

import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** Handlers by queue, and `close` for the small server that the webhooks call. */
export async function makeHandlers(outbox) {
  const { url, close } = await startFlakyServer()

  const email = {
    handler: async (task) => {
      const { to, name, subject } = task.payload
      const text = `To: ${to}\nSubject: ${subject}\nMessage-ID: <${task.id}@example.com>\n\nDear ${name},\n\n${subject}.\n`
      // Named by the task's id: an attempt that is repeated writes the same file.
      await writeFile(`${outbox}/mail-${task.id}.eml`, text)
    },
    concurrency: 50,
  }

  const invoice = {
    handler: async (task, context) => {
      const { number, to, lines } = task.payload
      const cents = lines.reduce((sum, line) => sum + line.count * line.cents, 0)
      const rows = lines.map((line) => `${line.count} x ${line.item.padEnd(12)} ${(line.cents / 100).toFixed(2)}`)
      await writeFile(`${outbox}/${number}.txt`, [...rows, `total ${(cents / 100).toFixed(2)}`, ''].join('\n'))
      // The mail goes out only if the invoice was written, and exactly one of it.
      context.scheduleNext({
        queue: 'email',
        delay: '3s',
        payload: { to, name: to, subject: `Invoice ${number}: ${(cents / 100).toFixed(2)}` },
      })
    },
    concurrency: 20,
  }

  // Computing takes the processor for a while: in threads, so that nothing else is late.
  const thumbnail = { handler: { module: new URL('./thumbnail.mjs', import.meta.url) }, concurrency: 2 }

  const webhook = {
    handler: async (task, context) => {
      const { target, ...event } = task.payload
      const address = target === 'gone' ? 'http://127.0.0.1:9/' : url
      const body = JSON.stringify(event)
      const response = await fetch(address, {
        method: 'POST',
        body,
        headers: {
          ...task.headers,
          'idempotency-key': task.id,
          digest: createHash('sha256').update(body).digest('hex'),
        },
        signal: context.signal,
      })
      if (!response.ok) throw new Error(`answered ${response.status}`)
    },
    concurrency: 10,
  }

  const slowExport = {
    handler: async (task, context) => {
      const { rows, hang } = task.payload
      // Some of these never end by themselves: their time-out ends them.
      await sleep(hang ? 60_000 : rows / 20, undefined, { signal: context.signal })
    },
    concurrency: 5,
  }

  const write = (line) => ({
    handler: (task) => writeFile(`${outbox}/${task.queue}-${task.id}.txt`, `${line(task.payload)}\n`),
    concurrency: 20,
  })

  return {
    close,
    byQueue: {
      email,
      invoice,
      thumbnail,
      webhook,
      'slow-export': slowExport,
      'flash-sale': write(({ sku, percent }) => `${sku} is ${percent} % off`),
      reminder: write(({ to, what }) => `${to}: ${what}`),
      'trial-end': write(({ account, plan }) => `account ${account}: the trial of ${plan} has ended`),
      certificate: write(({ host }) => `renew the certificate of ${host}`),
    },
  }
}

/** A server on this machine that refuses the first call or two for each key, as servers in deployment do. */
async function startFlakyServer() {
  const calls = new Map()
  const server = createServer((request, response) => {
    const key = String(request.headers['idempotency-key'])
    const count = (calls.get(key) ?? 0) + 1
    calls.set(key, count)
    request.resume()
    request.on('end', () => {
      response.statusCode = count <= key.charCodeAt(9) % 3 ? 503 : 204
      response.end()
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () =>
    new Promise((resolve) => {
      server.closeAllConnections()
      server.close(resolve)
    })
  return { url: `http://127.0.0.1:${server.address().port}/hook`, close }
}
