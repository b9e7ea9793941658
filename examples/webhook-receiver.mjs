/**
 * A receiver of webhooks: checks the signature, does what the task asks for once, and may answer with the task that follows.
 *
 *     HOURWHEEL_SECRET='whsec_...' node examples/webhook-receiver.mjs 8080
 */

import { createServer } from 'node:http'
import { Webhook } from 'standardwebhooks'

const webhook = new Webhook(process.env.HOURWHEEL_SECRET)
/** Ids of tasks that are done; in earnest in the database, in the transaction that does the work. */
const done = new Set()

function receive({ headers }, body) {
  let payload
  try {
    // Refuses what is not signed by the secret, and what was signed more than five minutes ago.
    payload = webhook.verify(body, headers)
  } catch {
    return { status: 401 }
  }
  // The same task may come again, when an answer got lost. Its id stays the same.
  const id = headers['webhook-id']
  if (!done.has(id)) {
    console.log(
      `${headers['hourwheel-queue']} ${id}, attempt ${headers['hourwheel-attempt']}: ${JSON.stringify(payload)}`,
    )
    done.add(id)
  }
  const left = payload?.left ?? 0
  if (left === 0) return { status: 204 }
  // Scheduled by the daemon in the step in which this task ends.
  return { status: 200, json: { next: { delay: '50ms', payload: { ...payload, left: left - 1 } } } }
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (chunk) => (body += chunk))
  request.on('end', () => {
    const { status, json } = receive(request, body)
    if (json === undefined) response.writeHead(status).end()
    else response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
  })
})
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log(`listening on ${server.address().port}`))
