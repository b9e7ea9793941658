/** Schemas as libraries make them, without a library. */

import type { StandardSchemaIssue, StandardSchemaResult, StandardSchemaV1 } from '../../src/index.ts'

export function schemaOf<Input, Output = Input>(
  validate: (value: unknown) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>,
): StandardSchemaV1<Input, Output> {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}

function emailOf(value: unknown): StandardSchemaResult<{ to: string; copies: number }> {
  const { to, copies = 1, cc = [] } = (value ?? {}) as { to?: unknown; copies?: unknown; cc?: unknown[] }
  const issues: StandardSchemaIssue[] = []
  if (typeof to !== 'string') issues.push({ message: 'must be text', path: ['to'] })
  if (typeof copies !== 'number') issues.push({ message: 'must be a number', path: [{ key: 'copies' }] })
  for (const [index, one] of cc.entries()) {
    if (typeof one !== 'string') issues.push({ message: 'must be text', path: ['cc', index] })
  }
  return issues.length > 0 ? { issues } : { value: { to: to as string, copies: copies as number } }
}

/** Fills in a default. */
export const emailSchema: StandardSchemaV1<{ to: string; copies?: number }, { to: string; copies: number }> =
  schemaOf(emailOf)

export const slowEmailSchema: typeof emailSchema = schemaOf(async (value) => {
  await Promise.resolve()
  return emailOf(value)
})

export const countSchema: StandardSchemaV1<number | undefined, number> = schemaOf((value) => ({
  value: typeof value === 'number' ? value : 0,
}))
