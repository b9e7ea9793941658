/** What is found in a directory that may be damaged. Types only. */

/** Something that cannot be read. */
export interface Loss {
  readonly file: string
  readonly offset: number
  readonly what: string
  /** Tasks, or records of the log, that were in it, where that is known. */
  readonly tasks?: number | undefined
  readonly records?: number | undefined
}

export interface SurveyedLog {
  readonly name: string
  readonly number: number
  readonly fileId: string | undefined
  readonly isMissing: boolean
}
