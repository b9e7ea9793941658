/**
 * Payloads against the schema of their queue (any Standard Schema), before anything of a task is appended. What the schema
 * puts out takes the place of what came in: that is what is stored, and what the handler sees. It is not looked at again
 * when the task runs.
 *
 * A schema may answer at once or with a promise. Where nothing can wait (a successor), one that makes a promise is refused.
 */

import { refuse, shown, type HourwheelError } from '../model/errors.ts'
import type { TaskInput } from '../model/hourwheel.ts'
import { payloadPath } from '../model/payload.ts'
import type { StandardSchemaIssue, StandardSchemaResult, StandardSchemaV1 } from '../model/standard-schema.ts'
import type { QueueSettings } from './queue-runtime.ts'

type Queues = ReadonlyMap<string, QueueSettings>

/** Issues beyond these are counted, not told. */
const issuesTold = 5

/** A schema given at open. */
export function checkSchema(schema: unknown, queue: string): StandardSchemaV1 {
  // Some libraries make schemas that are functions.
  const isThing = (typeof schema === 'object' && schema !== null) || typeof schema === 'function'
  const standard = isThing ? (schema as Partial<StandardSchemaV1>)['~standard'] : undefined
  if (standard?.version === 1 && typeof standard.validate === 'function') return schema as StandardSchemaV1
  throw refuse(
    'HW_INVALID_OPTIONS',
    `payload of queue '${queue}' is ${shown(schema)}; give a Standard Schema (version 1), such as one of zod, valibot or arktype`,
  )
}

/** The task itself when its queue has no schema, else a copy with what the schema put out; a promise if the schema made one. */
export function withValidPayload(queues: Queues, task: TaskInput): TaskInput | Promise<TaskInput> {
  // What is no task at all is refused where all of it is checked.
  const queue: unknown = typeof task === 'object' && task !== null ? task.queue : undefined
  const schema = queues.get(queue as string)?.payload
  if (schema === undefined) return task
  const { payload, ...rest } = task
  const answer = (result: StandardSchemaResult<unknown>): TaskInput => ({
    ...rest,
    payload: output(rest.queue, result),
  })
  let result: StandardSchemaResult<unknown> | Promise<StandardSchemaResult<unknown>>
  try {
    result = schema['~standard'].validate(payload)
  } catch (error) {
    throw broken(rest.queue, error)
  }
  if (!isThenable(result)) return answer(result)
  // A library's own thenable becomes a promise here.
  return Promise.resolve(result).then(answer, (error: unknown) => {
    throw broken(rest.queue, error)
  })
}

/** The same, where nothing can wait. */
export function withValidPayloadNow(queues: Queues, task: TaskInput): TaskInput {
  const valid = withValidPayload(queues, task)
  if (!(valid instanceof Promise)) return valid
  void valid.catch(() => undefined)
  throw refuse(
    'HW_INVALID_PAYLOAD',
    `the schema of queue '${task.queue}' validates asynchronously, and a successor is validated at once; give the queue a synchronous schema`,
    { details: { queue: task.queue } },
  )
}

function output(queue: string, result: StandardSchemaResult<unknown>): unknown {
  const { issues } = result
  if (issues === undefined || issues === null) return (result as { value: unknown }).value
  throw invalid(queue, Array.isArray(issues) ? (issues as StandardSchemaIssue[]) : [])
}

/** The issues themselves are its `cause`. */
function invalid(queue: string, issues: readonly StandardSchemaIssue[]): HourwheelError {
  const paths = issues.map(({ path = [] }) =>
    payloadPath(path.map((step) => (typeof step === 'object' && step !== null ? step.key : step))),
  )
  const told = issues.slice(0, issuesTold).map(({ message }, index) => `${paths[index]}: ${message}`)
  const more = issues.length > issuesTold ? `; and ${issues.length - issuesTold} more` : ''
  return refuse('HW_INVALID_PAYLOAD', `not a payload of queue '${queue}': ${told.join('; ')}${more}`, {
    details: { queue, path: paths[0] ?? 'payload', paths: paths.join(', '), issues: issues.length },
    cause: issues,
  })
}

function broken(queue: string, error: unknown): HourwheelError {
  const text = error instanceof Error ? error.message : String(error)
  return refuse('HW_INVALID_PAYLOAD', `the schema of queue '${queue}' threw: ${text}`, {
    details: { queue },
    cause: error,
  })
}

function isThenable<T extends object>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown }).then === 'function'
}
