/** A handler of threads.ts, in a thread or called in place: some work for the processor. */

import { createHash } from 'node:crypto'
import type { Task } from '../../src/index.ts'
import type { Payload } from './loads.ts'

let sum = 0

/** About 50 us on the machine where it was written. */
export default function working({ id, payload }: Task): void {
  let text = `${id}${(payload as Payload).note}`
  for (let round = 0; round < 10; round++) text = createHash('sha256').update(text).digest('hex')
  sum += text.length
}
