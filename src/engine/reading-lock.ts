/** The right to read a directory that nobody else may change meanwhile. */

import { refuse } from '../model/errors.ts'
import type { DirectoryLock, Platform } from '../platform/ports.ts'
import { takeDirectory } from './directory.ts'

/** Undefined for a file system that cannot be written to: nobody can have it open. The directory is not created. */
export async function lockForReading(platform: Platform, directory: string): Promise<DirectoryLock | undefined> {
  if ((await platform.disk.stat(directory)) === undefined) {
    throw refuse('HW_DIRECTORY_UNUSABLE', `${directory} is not there`, { details: { directory } })
  }
  try {
    return await takeDirectory(platform, directory)
  } catch (error) {
    const { cause } = error as { cause?: { code?: unknown } }
    if (cause?.code === 'EROFS') return undefined
    throw error
  }
}
