/**
 * A service that reminds: it keeps no timers of its own and may be restarted at any time. hourwheel calls it back by webhook when
 * a reminder is due, and calls again if it does not answer.
 *
 *     POST /reminders {"id","at" or "delay","to","text"}    create; the same id again changes nothing
 *     PATCH /reminders/<id> {"delay"}, DELETE /reminders/<id>
 *
 * The daemon is started with `--webhook-hosts 127.0.0.1:*`; HOURWHEEL_SOCKET names its socket.
 */

import { createServer } from 'node:http'
import { connect, HourwheelError } from 'hourwheel/client'
import { Webhook } from 'standardwebhooks'

const queue = 'reminders'
const wheel = connect({ socket: process.env.HOURWHEEL_SOCKET })

async function handle(request, body) {
  const [, place, id] = request.url.split('/')
  if (place === 'fire' && request.method === 'POST') {
    const reminder = webhook.verify(body, request.headers)
    console.log(`to ${reminder.to}: ${reminder.text} (attempt ${request.headers['hourwheel-attempt']})`)
    return { status: 204 }
  }
  if (place !== 'reminders') return { status: 404 }
  switch (request.method) {
    case 'POST': {
      const { id: key, at, delay, ...payload } = JSON.parse(body)
      return { status: 201, json: await wheel.schedule({ queue, key, at, delay, payload }) }
    }
    case 'PATCH':
      return { status: 200, json: await wheel.reschedule({ queue, key: id }, JSON.parse(body)) }
    case 'DELETE':
      return { status: 200, json: await wheel.cancel({ queue, key: id }) }
    default:
      return { status: 405 }
  }
}

async function answer(request, response) {
  try {
    let body = ''
    for await (const chunk of request) body += chunk
    const { status, json } = await handle(request, body)
    response.writeHead(status, { 'content-type': 'application/json' }).end(json && JSON.stringify(json))
  } catch (error) {
    const status = error instanceof HourwheelError && error.outcome === 'not done' ? 400 : 500
    response.writeHead(status).end(JSON.stringify({ error: error.message }))
  }
}

const server = createServer((request, response) => void answer(request, response))

await new Promise((resolve) => server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', resolve))
// Where to call back; the secret is made by the daemon. A service of several instances would give one of its own instead.
const url = `http://127.0.0.1:${server.address().port}/fire`
await wheel.setSettings(queue, { webhook: null })
const settings = await wheel.setSettings(queue, { webhook: { url, timeout: '5s' }, retry: { delay: '1s' } })
const webhook = new Webhook(settings.webhook.newSecret)
console.log(`listening on ${server.address().port}`)
