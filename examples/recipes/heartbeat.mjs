/**
 * Heartbeats: a device that has not been heard of for a while is reported, once. Each beat moves the device's one timer; a device
 * that is back starts it anew. It survives restarts of this process and of the daemon.
 */

import { connect } from 'hourwheel/client'

const wheel = connect({ socket: process.env.HOURWHEEL_SOCKET })
const queue = 'silent-devices'
const silence = '1500ms'

/** `replace` makes a new timer where the last one has ended, and moves it where it has not. */
const beat = (device) =>
  wheel.schedule({
    queue,
    key: device,
    delay: silence,
    payload: { device, lastSeen: Date.now() },
    onConflict: 'replace',
  })

const silent = []
const { stop } = await wheel.handle(queue, ({ payload }) => {
  console.log(`${payload.device} is silent`)
  silent.push(payload.device)
})

await beat('pump')
// The valve beats on; the pump does not.
while (!silent.includes('pump')) {
  await beat('valve')
  await new Promise((resolve) => setTimeout(resolve, 50))
}
await beat('pump')
console.log('pump is back')
while (silent.length < 3) await new Promise((resolve) => setTimeout(resolve, 50))
await stop()
console.log(`reports: ${silent.length}`)
await wheel.close()
