/** What went wrong with a call of the disk, as an error of hourwheel; what is one already stays as it is. */

import { HourwheelError, refuse } from '../../model/errors.ts'
import { isDiskFull } from '../../platform/passing-failures.ts'

export function diskTrouble(error: unknown, where: string): HourwheelError {
  if (error instanceof HourwheelError) return error
  const text = error instanceof Error ? error.message : String(error)
  const code = isDiskFull(error) ? 'HW_DISK_FULL' : 'HW_DISK_FAILED'
  return refuse(code, `${where}: ${text}`, { details: { file: where }, cause: error })
}

/** What a writer stops with. */
export function logFailure(error: unknown, where: string): HourwheelError {
  const text = error instanceof Error ? error.message : String(error)
  return refuse('HW_DISK_FAILED', `the log failed at ${where}: ${text}`, { details: { file: where }, cause: error })
}
