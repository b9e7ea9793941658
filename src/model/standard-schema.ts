/**
 * Standard Schema 1.1 (https://standardschema.dev): what zod, valibot, arktype and others have in common, as types only.
 *
 * Copied from the specification, which asks for that where a dependency is not wanted; namespaces are flattened, and what
 * is not used here is left out.
 */

/** A schema of any library that follows the standard. */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': StandardSchemaProps<Input, Output>
}

export interface StandardSchemaProps<Input = unknown, Output = Input> {
  readonly version: 1
  /** The name of the library. */
  readonly vendor: string
  readonly validate: (
    value: unknown,
    options?: StandardSchemaOptions | undefined,
  ) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>
  /** For the compiler only. */
  readonly types?: { readonly input: Input; readonly output: Output } | undefined
}

export interface StandardSchemaOptions {
  readonly libraryOptions?: Record<string, unknown> | undefined
}

export type StandardSchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly StandardSchemaIssue[] }

export interface StandardSchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}
