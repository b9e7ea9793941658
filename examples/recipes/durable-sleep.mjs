/**
 * A durable sleep for a workflow engine: `await sleep(run, name, '30d')` in code that is run again from its beginning after a
 * crash, and then finds its sleeps where they were: over, or still going on. The timer lives in hourwheel, not in this process.
 *
 * What has been done is remembered in a file of lines, as a workflow engine does in its database.
 */

import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { connect } from 'hourwheel/client'

const wheel = connect({ socket: process.env.HOURWHEEL_SOCKET })
const journal = process.env.JOURNAL ?? './journal'
const done = new Set(existsSync(journal) ? readFileSync(journal, 'utf8').split('\n') : [])
const waking = new Map()

/** Does it once, as far as that can be: again only if the process died between doing and writing down. */
async function step(run, name, work) {
  const line = `${run}/${name}`
  if (done.has(line)) return
  await work()
  appendFileSync(journal, `${line}\n`)
  done.add(line)
}

function sleep(run, name, delay) {
  const key = `${run}/${name}`
  return step(run, name, async () => {
    const woken = new Promise((resolve) => waking.set(key, resolve))
    // Kept if it is there already, from before a crash; 'ended' for a day after it has fired.
    const { outcome, state } = await wheel.schedule({ queue: 'sleeps', key, delay, payload: { key } })
    console.log(`${key}: ${outcome}`)
    if (state !== 'ended') await woken
    waking.delete(key)
  })
}

await wheel.handle('sleeps', ({ payload: { key } }, context) => {
  const wake = waking.get(key)
  // Not there yet: its workflow has not come so far again.
  if (wake === undefined) throw context.retry({ delay: '50ms' })
  wake()
})

/** An ordinary function, with sleeps that may take a month. */
async function onboarding(run) {
  await step(run, 'welcome', () => console.log(`${run}: welcome`))
  await sleep(run, 'a-while', process.env.SLEEP ?? '1s')
  await step(run, 'tips', () => console.log(`${run}: tips`))
}

await onboarding('ada')
await wheel.close()
console.log('done')
