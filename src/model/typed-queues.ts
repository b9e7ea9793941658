/**
 * From the queues that are given at open to the types of their payloads. Types only; what checks payloads while running is
 * engine/payload-schema.ts.
 *
 * A queue that is not listed, or has no schema, takes and gives `unknown`: what the compiler accepts is what the engine does.
 */

import type { Duration } from './durations.ts'
import type { RetryOptions } from './retry.ts'
import type { StandardSchemaV1 } from './standard-schema.ts'

export interface QueueOptions {
  /** Types and validates the payloads of this queue: any Standard Schema (zod, valibot, arktype, ...). */
  payload?: StandardSchemaV1 | undefined
  retry?: RetryOptions | undefined
  /** How long one attempt may take. Default 60 s. */
  timeout?: Duration | undefined
  /** How long a key is remembered after its task has ended. Default: that of the engine. */
  keyWindow?: Duration | undefined
}

/** Queues by name. */
export type QueueMap = Readonly<Record<string, QueueOptions>>

/** Of an engine whose queues are not known to the compiler. `any`, so that every engine may stand for it. */
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyQueues = any

/** Listed names are offered by editors; others are allowed. */
export type QueueName<Queues> = (keyof Queues & string) | (string & {})

type SchemaOf<Queues, Name extends string> = Name extends keyof Queues
  ? Queues[Name] extends { readonly payload: infer Schema }
    ? Schema
    : undefined
  : undefined

type TypesOf<Schema> = Schema extends { readonly '~standard': { readonly types?: infer Types } }
  ? NonNullable<Types>
  : { readonly input: unknown; readonly output: unknown }

/** What `schedule` takes as payload of this queue. */
export type PayloadInput<Queues, Name extends string> =
  TypesOf<SchemaOf<Queues, Name>> extends { readonly input: infer Input } ? Input : unknown

/** What the handler of this queue sees: the output of the schema. */
export type PayloadOutput<Queues, Name extends string> =
  TypesOf<SchemaOf<Queues, Name>> extends { readonly output: infer Output } ? Output : unknown
