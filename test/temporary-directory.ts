/** A new directory of the system's for what one test writes; it goes when the test has ended. To be called within a test. */

import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export function temporaryDirectory(): string {
  // What programs say of a path is its real one.
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'hourwheel-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
