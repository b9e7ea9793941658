/** hourwheel/client: the engine's interface, spoken to a daemon. */

export { connect, type ConnectOptions } from './client/connect.ts'
export type { Client } from './client/client.ts'
export type { ClientEvent, EventsInput } from './client/event-stream.ts'
export type { Hourwheel } from './model/engine.ts'
export { HourwheelError, type ErrorCode } from './model/errors.ts'
