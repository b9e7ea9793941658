/** A handler of threads.ts, in a thread or called in place: it does next to nothing. */

import type { Task } from '../../src/index.ts'
import type { Payload } from './loads.ts'

let sum = 0

export default function short({ payload }: Task): void {
  sum += (payload as Payload).index
}
