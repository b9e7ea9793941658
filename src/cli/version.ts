/** The version of this package, from its package.json. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export function packageVersion(): string {
  const text = readFileSync(join(fileURLToPath(import.meta.url), '../../../package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
