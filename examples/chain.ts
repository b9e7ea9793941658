/**
 * A chain of tasks: each schedules the next one, durably in the same step as its own success, so that a crash neither loses
 * the chain nor doubles it. Here a trial: a reminder, a last call, the end. Takes about a second.
 *
 * After `npm run build`: `npx tsx examples/chain.ts`, or `node examples/chain.ts` from Node 22.18 on.
 */

import { openEngine } from 'hourwheel'

const steps = ['reminder', 'last call', 'the end'] as const
type Step = { readonly user: string; readonly step: number }

const engine = await openEngine({ dir: './chain-data' })
const ended = new Promise<void>((resolve) => {
  void engine.handle('trial', (task, context) => {
    const { user, step } = task.payload as Step
    console.log(`${user}: ${steps[step]}`)
    const next = step + 1
    // Days in earnest, a moment here.
    if (next < steps.length) context.scheduleNext({ queue: 'trial', delay: 200, payload: { user, step: next } })
    else resolve()
  })
})

await engine.schedule({ queue: 'trial', delay: 200, payload: { user: 'ada', step: 0 } satisfies Step })
await ended
await engine.close()
