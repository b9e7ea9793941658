/** A task as encoded for the engine: with the queue itself where model/task-encoder.ts leaves open what stands for one. */

import type { EncodedInput as Input, EncodedTask as Task } from '../model/task-encoder.ts'
import type { QueueRuntime } from './queue-runtime.ts'

export { checkTimeoutMs, encodeSuccessor, encodeTask } from '../model/task-encoder.ts'

export type EncodedTask = Task<QueueRuntime>
export type EncodedInput = Input<QueueRuntime>
