/** Commands on directories that no engine has open: what to do when one has. */

import { HourwheelError } from '../model/errors.ts'
import { CommandFailed, rememberDirectory } from './failures.ts'

/** `instead` is what else can be done while the other process runs. */
export async function onClosed<T>(dir: string, instead: string, work: () => Promise<T>): Promise<T> {
  rememberDirectory(dir)
  try {
    return await work()
  } catch (error) {
    if (error instanceof HourwheelError && error.code === 'HW_DIRECTORY_LOCKED') {
      throw new CommandFailed(`${error.code}: ${error.message}`, instead)
    }
    throw error
  }
}

/** For what only reads. */
export const readCopy = 'stop that process; or let it make a backup, and give that as --dir: a directory or a .tar'
/** For what changes files. */
export const stopFirst = 'stop that process first, then the same command'
