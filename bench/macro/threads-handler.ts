/** The handler of threads.ts: a short task, or one with some work for the processor. In threads, or called in place. */

import { createHash } from 'node:crypto'
import type { Task } from '../../src/index.ts'
import type { Payload } from './loads.ts'

let sum = 0

export function short({ payload }: Task): void {
  sum += (payload as Payload).index
}

/** About 50 us on the machine where it was written. */
export function working({ id, payload }: Task): void {
  let text = `${id}${(payload as Payload).note}`
  for (let round = 0; round < 10; round++) text = createHash('sha256').update(text).digest('hex')
  sum += text.length
}

export default short
