/**
 * Keys: at most one pending task of a queue has a key. Here a document is edited many times; it is indexed once things are quiet
 * (`latest` moves the task on with every edit), its owner hears of the first edit only (`keep`), and an order that comes twice
 * is charged once. Takes about three seconds.
 *
 * After `npm run build`: `npx tsx examples/debounce-by-key.ts`, or `node examples/debounce-by-key.ts` from Node 22.18 on.
 */

import { openEngine } from 'hourwheel'

const engine = await openEngine({ dir: './debounce-data', keyWindow: '1h' })
for (const queue of ['index', 'notify', 'charge']) {
  await engine.handle(queue, (task) => console.log(`${queue}: ${JSON.stringify(task.payload)}`))
}

const document = 'doc-17'
for (let edit = 1; edit <= 5; edit++) {
  await engine.schedule({ queue: 'index', key: document, delay: '2s', payload: document, onConflict: 'latest' })
  await engine.schedule({ queue: 'notify', key: document, delay: 50, payload: { document, edit } })
  await new Promise((resolve) => setTimeout(resolve, 60))
}

// The same call again, as after a lost connection: it takes effect once, also when the task has ended meanwhile.
for (const _ of ['first try', 'second try']) {
  const receipt = await engine.schedule({ queue: 'charge', key: 'order-4711', delay: 0, payload: { amount: 12 } })
  console.log(`charge ${receipt.outcome}`)
  await new Promise((resolve) => setTimeout(resolve, 100))
}

let { queues } = await engine.stats()
while (queues['index']?.succeeded === 0) {
  await new Promise((resolve) => setTimeout(resolve, 50))
  ;({ queues } = await engine.stats())
}
console.log(['index', 'notify', 'charge'].map((queue) => `${queue} ${queues[queue]?.succeeded}`).join(', '))
await engine.close()
