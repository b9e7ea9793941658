/**
 * The ledger through the life of a task, accepted, leased, succeeded, over 720 hours, against the state most programs keep: a Map of
 * objects, and an object of counters. The floor counts the same in typed arrays.
 */

import { Ledger } from '../../src/model/ledger.ts'
import type { ResultRow } from '../shared/results-file.ts'
import { compare } from './compare.ts'

export const name = 'ledger'

const hours = 720
const firstHour = 500_000

interface TaskState {
  state: 'pending' | 'leased' | 'succeeded'
  fence: number
}

export function run(options: { tiny: boolean }): Promise<ResultRow[]> {
  const count = options.tiny ? 2_000 : 100_000
  const contenders = [
    {
      operation: 'life of a task',
      subject: 'Ledger',
      run() {
        const ledger = new Ledger(0)
        const { counters } = ledger.applyQueue(0, 'bench', false)
        for (let index = 0; index < count; index++) {
          const hour = firstHour + (index % hours)
          const ordinal = Math.floor(index / hours)
          ledger.applyNew(hour, ordinal, 0)
        }
        for (let index = 0; index < count; index++) {
          const hour = firstHour + (index % hours)
          const ordinal = Math.floor(index / hours)
          ledger.applyLease(hour, ordinal, 0, index + 1, 0)
          ledger.applyEnd('succeeded', 'leased', hour, ordinal, 0, hour)
        }
        return counters[3]!
      },
    },
    {
      operation: 'life of a task',
      subject: 'Map of objects',
      run() {
        const tasks = new Map<string, TaskState>()
        const counters = { pending: 0, leased: 0, succeeded: 0 }
        for (let index = 0; index < count; index++) {
          tasks.set(`${firstHour + (index % hours)}-${Math.floor(index / hours)}`, { state: 'pending', fence: 0 })
          counters.pending++
        }
        for (let index = 0; index < count; index++) {
          const task = tasks.get(`${firstHour + (index % hours)}-${Math.floor(index / hours)}`)!
          task.state = 'leased'
          task.fence = index + 1
          counters.pending--
          counters.leased++
          task.state = 'succeeded'
          counters.leased--
          counters.succeeded++
        }
        return counters.succeeded
      },
    },
    {
      operation: 'life of a task',
      subject: '(typed arrays in a loop)',
      run() {
        const counters = new Float64Array(10)
        const live = new Int32Array(hours)
        const states = new Uint8Array(count)
        for (let index = 0; index < count; index++) {
          live[index % hours]!++
          counters[1]!++
        }
        for (let index = 0; index < count; index++) {
          counters[1]!--
          counters[2]!++
          live[index % hours]!--
          counters[2]!--
          counters[3]!++
          states[index] = 1
        }
        return counters[3]!
      },
    },
  ]
  const title = `${count.toLocaleString('en')} tasks accepted, leased and succeeded over ${hours} hours`
  return compare({ name, title, operationsPerRun: count, contenders }, options)
}
