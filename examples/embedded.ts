/**
 * hourwheel inside your own process: tasks that survive it, a retry, a cancelled task, an orderly end. Takes about a second.
 *
 * After `npm run build`: `npx tsx examples/embedded.ts`, or `node examples/embedded.ts` from Node 22.18 on. Data is kept in
 * ./embedded-data; run it twice and look at the counters.
 */

import { openEngine } from 'hourwheel'

await using engine = await openEngine({
  dir: './embedded-data',
  queues: { email: { retry: { attempts: 5, delay: 100, jitter: 0 }, timeout: '10s' } },
})

const sent = new Set<string>()
await engine.handle('email', async (task, context) => {
  const { to } = task.payload as { to: string }
  // The first attempt for bob fails, as if the mail server were busy.
  if (to === 'bob' && context.attempt === 1) throw new Error('451 try again later')
  console.log(`to ${to}, attempt ${context.attempt}, due ${new Date(context.scheduledFor).toISOString()}`)
  sent.add(to)
})
engine.on('attemptFailed', ({ error, retryAt }) => console.log(`failed: ${error}; again at ${retryAt}`))

await engine.scheduleMany(
  ['ada', 'bob', 'eve'].map((to, index) => ({ queue: 'email', delay: 100 * (index + 1), payload: { to } })),
)
const later = await engine.schedule({ queue: 'email', delay: '30d', payload: { to: 'never' } })
console.log(await engine.cancel(later.id))

while (sent.size < 3) await new Promise((resolve) => setTimeout(resolve, 20))
const { total, conservation } = await engine.stats()
console.log(`${total.succeeded} succeeded, ${total.cancelled} cancelled, conservation ${conservation}`)
