/**
 * Debounce: however often something changes, act once, when it has been quiet for a while. Each change moves the one task of the
 * document; no timer lives in this process, so any number of processes may report changes.
 */

import { connect } from 'hourwheel/client'

const wheel = connect({ socket: process.env.HOURWHEEL_SOCKET })
const quiet = '400ms'

function changed(document) {
  // 'latest' moves the time only ever onwards, whoever comes first.
  return wheel.schedule({ queue: 'index', key: document, delay: quiet, payload: { document }, onConflict: 'latest' })
}

for (let change = 0; change < 10; change++) {
  const [a] = await Promise.all([changed('a'), change === 0 ? changed('b') : undefined])
  if (change < 2) console.log(`a: ${a.outcome}`)
}
// In this process or another one; they all report changes, and one is given the task.
let indexed = 0
const { stop } = await wheel.handle('index', ({ payload }) => {
  console.log(`indexing ${payload.document}`)
  indexed++
})
while (indexed < 2) await new Promise((resolve) => setTimeout(resolve, 50))
await stop()
const { succeeded } = (await wheel.stats()).queues.index
console.log(`indexed ${succeeded} times`)
await wheel.close()
