/**
 * Bodies and queries against the schemas of /v1, compiled once. A refusal has the code that the engine would give for the same
 * field, so that callers need to know one set of codes.
 */

import { Compile, type Validator } from 'typebox/compile'
import { refuse, type ErrorCode, type HourwheelError } from '../../model/errors.ts'
import { bodyText, parseJson } from '../../protocol/batch-bodies.ts'
import type { Requests } from '../../protocol/requests.ts'
import { schemas, type SchemaName } from '../../protocol/schemas.ts'

const compiled = new Map<SchemaName, Validator>()

/** By the field that is wrong, wherever it is. */
const codes: Readonly<Record<string, ErrorCode>> = {
  queue: 'HW_INVALID_QUEUE',
  at: 'HW_INVALID_TIME',
  retryAt: 'HW_INVALID_TIME',
  expiresAt: 'HW_INVALID_TIME',
  delay: 'HW_INVALID_DURATION',
  timeout: 'HW_INVALID_DURATION',
  lease: 'HW_INVALID_DURATION',
  wait: 'HW_INVALID_DURATION',
  keyWindow: 'HW_INVALID_DURATION',
  payloadBase64: 'HW_INVALID_PAYLOAD',
  headers: 'HW_INVALID_HEADERS',
  retry: 'HW_INVALID_RETRY',
  key: 'HW_INVALID_KEY',
  token: 'HW_INVALID_TOKEN',
  id: 'HW_INVALID_REF',
}

/** The value itself when it has the shape; what the shape leaves open is the engine's to check. */
export function valid<Name extends keyof Requests>(name: Name, value: unknown, what = 'the body'): Requests[Name] {
  let validator = compiled.get(name)
  if (validator === undefined) {
    validator = Compile(schemas[name])
    compiled.set(name, validator)
  }
  if (validator.Check(value)) return value as Requests[Name]
  throw explain(validator, value, what)
}

/** The JSON of a body, with the shape of a schema. An empty body is the empty object. */
export function validBody<Name extends keyof Requests>(name: Name, body: Buffer): Requests[Name] {
  return valid(name, body.length === 0 ? {} : parseJson(bodyText(body), 'the body'))
}

function explain(validator: Validator, value: unknown, what: string): HourwheelError {
  const errors = validator.Errors(value)
  const unknown = errors.find((error) => error.keyword === 'additionalProperties')
  if (unknown !== undefined) {
    const names = (unknown.params as { additionalProperties?: readonly string[] }).additionalProperties ?? []
    const field = (names[0] ?? '').slice(0, 60)
    const within = fieldsOf(unknown.instancePath)
    const where = within.length === 0 ? what : within.join('.')
    return refuse('HW_UNKNOWN_FIELD', `${where} has no field ${JSON.stringify(field)}`, { details: { field } })
  }
  // The deepest one says most.
  const error = errors.reduce((one, other) => (other.instancePath.length > one.instancePath.length ? other : one))
  const path = fieldsOf(error.instancePath)
  const field = path.join('.')
  const required = (error.params as { requiredProperties?: readonly string[] }).requiredProperties
  const missing = required?.[0]
  const code = codeOf(missing === undefined ? path : [...path, missing])
  const text =
    missing === undefined
      ? `${field === '' ? what : field} ${error.message}`
      : `${[...path, missing].join('.')} is missing`
  return refuse(code, text, { details: { field: missing === undefined ? field : [...path, missing].join('.') } })
}

function codeOf(path: readonly string[]): ErrorCode {
  // Fields of a retry policy have one code, whatever they are called.
  if (path.includes('retry')) return 'HW_INVALID_RETRY'
  for (let i = path.length - 1; i >= 0; i--) {
    const code = codes[path[i]!]
    if (code !== undefined) return code
  }
  return 'HW_INVALID_REQUEST'
}

function fieldsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~').slice(0, 60))
}
