/** Every cell of the state table that this release has calls for, live and after a restart. */

import { describe, expect, it } from 'vitest'
import { answers, type Operation } from '../../src/model/state-table.ts'
import { Rig } from './rig.ts'

const hour = 3_600_000
const states = [
  'pending',
  'leased',
  'succeeded',
  'dead',
  'cancelled',
  'expired',
  'purged',
  'damaged',
  'missing',
] as const
type State = (typeof states)[number]
type Reached = Exclude<State, 'damaged'>

/** Brings a task into a state; answers its id. */
async function bring(rig: Rig, state: Reached): Promise<string> {
  const { engine } = rig
  const schedule = async (fields: object): Promise<string> =>
    (await rig.run(() => engine.schedule({ queue: 'q', ...fields }))).id
  switch (state) {
    case 'pending':
      return schedule({ delay: 5 * hour })
    case 'leased': {
      await rig.run(() => engine.handle('q', () => new Promise(() => undefined)))
      const id = await schedule({ delay: 0 })
      await rig.advance(100)
      return id
    }
    case 'succeeded': {
      const handle = await rig.run(() => engine.handle('q', () => undefined))
      const id = await schedule({ delay: 0 })
      await rig.advance(100)
      await rig.run(() => handle.stop())
      return id
    }
    case 'dead':
    case 'purged': {
      const handle = await rig.run(() => engine.handle('q', (_task, context) => context.deadLetter('for the test')))
      const id = await schedule({ delay: 0 })
      await rig.advance(100)
      await rig.run(() => handle.stop())
      if (state === 'purged') await rig.run(() => engine.deadLetters.purge(id))
      return id
    }
    case 'cancelled': {
      const id = await schedule({ delay: hour })
      await rig.run(() => engine.cancel(id))
      return id
    }
    case 'expired': {
      const id = await schedule({ delay: 0, expiresAt: rig.now + 1_000 })
      await rig.advance(2_000)
      const handle = await rig.run(() => engine.handle('q', () => undefined))
      await rig.advance(1_000)
      await rig.run(() => handle.stop())
      return id
    }
    case 'missing': {
      const id = await schedule({ delay: hour })
      return `${id.slice(0, 4)}zzzz0${id.slice(9)}`
    }
  }
}

type Asked = Extract<Operation, 'cancel' | 'reschedule' | 'rescheduleIfChanged' | 'redrive' | 'purge'>

async function ask(rig: Rig, operation: Asked, id: string): Promise<string> {
  const { engine } = rig
  return rig.run(async () => {
    switch (operation) {
      case 'cancel':
        return (await engine.cancel(id)).outcome
      case 'reschedule':
        return (await engine.reschedule(id, { delay: hour })).outcome
      case 'rescheduleIfChanged':
        return (await engine.reschedule(id, { delay: hour, ifGeneration: 77 })).outcome
      case 'redrive':
        return (await engine.deadLetters.redrive(id)).redriven === 1 ? 'redriven' : 'not'
      case 'purge':
        return (await engine.deadLetters.purge(id)).purged === 1 ? 'purged' : 'not'
    }
  })
}

const reached = states.filter((state): state is Reached => state !== 'damaged')

for (const operation of ['cancel', 'reschedule', 'rescheduleIfChanged', 'redrive', 'purge'] as const) {
  describe(`the operation ${operation}`, () => {
    for (const state of reached) {
      const expected = (): string => {
        const { outcome } = answers[operation][state]
        if (operation === 'redrive') return state === 'dead' ? 'redriven' : 'not'
        if (operation === 'purge') return state === 'dead' ? 'purged' : 'not'
        return outcome
      }

      it(`of a task that is ${state} answers ${expected()}`, async () => {
        const rig = await Rig.open()
        const id = await bring(rig, state)
        expect(await ask(rig, operation, id)).toBe(expected())
      })

      // A lease does not outlive its process: the task is pending again.
      const after = state === 'leased' ? 'pending' : state
      it(`of a task that was ${state} before a power cut answers as for ${after}`, async () => {
        const rig = await Rig.open()
        const id = await bring(rig, state)
        await rig.advance(100)
        rig.machine.crash('loseAll')
        await rig.reopen()
        const { outcome } = answers[operation][after]
        const known = operation === 'redrive' || operation === 'purge' ? expected() : outcome
        expect(await ask(rig, operation, id)).toBe(known)
      })

      it(`of a task that is ${state} is the same once its records are in segments`, async () => {
        const rig = await Rig.open()
        const id = await bring(rig, state)
        for (let i = 0; i < 6; i++) {
          const tasks = Array.from({ length: 60 }, () => ({
            queue: 'filler',
            delay: 90 * hour,
            payload: 'x'.repeat(100),
          }))
          await rig.run(() => rig.engine.scheduleMany(tasks))
          await rig.advance(200)
        }
        expect((await rig.run(() => rig.engine.stats())).checkpoints).toBeGreaterThan(2)
        expect(await ask(rig, operation, id)).toBe(expected())
      })
    }
  })
}
