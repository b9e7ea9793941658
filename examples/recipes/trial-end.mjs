/**
 * Trials that end: one task a customer, under the customer's name. It first reminds, then becomes the end of the trial; whoever
 * subscribes before is taken off by cancelling the one task there is, whatever stage it is in.
 */

import { connect } from 'hourwheel/client'

const wheel = connect({ socket: process.env.HOURWHEEL_SOCKET })
const queue = 'trials'
// In earnest: { reminder: '11d', end: '3d' }.
const after = { reminder: '100ms', end: '300ms' }

const startTrial = (customer) =>
  wheel.schedule({ queue, key: customer, delay: after.reminder, payload: { customer, stage: 'reminder' } })
const subscribe = (customer) => wheel.cancel({ queue, key: customer })

for (const customer of ['ada', 'bob', 'eve']) await startTrial(customer)
console.log(`bob: ${(await subscribe('bob')).outcome}`)
// Signed up twice, or the form was sent again: still one trial.
console.log(`ada: ${(await startTrial('ada')).outcome}`)

let ended = 0
const { stop } = await wheel.handle(queue, ({ payload: { customer, stage } }, context) => {
  if (stage === 'reminder') {
    console.log(`${customer}: your trial ends soon`)
    // In the same step as this one's end: a crash between the two is not possible. The key goes over to it.
    context.scheduleNext({ queue, key: customer, delay: after.end, payload: { customer, stage: 'end' } })
  } else {
    console.log(`${customer}: your trial has ended`)
    ended++
  }
})

while (ended < 2) await new Promise((resolve) => setTimeout(resolve, 50))
await stop()
await wheel.close()
