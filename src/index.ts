/** hourwheel: a durable timer engine for one node. The package's main entry point. */

export { openEngine, verify } from './engine/this-machine.ts'
export type { Problem, Verification } from './engine/verify.ts'
export type { Engine, EngineOptions, Hourwheel } from './model/engine.ts'
export { HourwheelError, type ErrorCode } from './model/errors.ts'
export type * from './model/engine-reports.ts'
export type * from './model/hourwheel.ts'
export type { Duration } from './model/durations.ts'
export type { RetryOptions } from './model/retry.ts'
export type * from './model/standard-schema.ts'
export type * from './model/typed-queues.ts'
