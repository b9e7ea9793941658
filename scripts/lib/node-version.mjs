/**
 * Refuses a Node that is too old, by name.
 *
 * This file and the entry scripts that import it must parse and run on far older versions than the supported ones:
 * no syntax and no module newer than Node 12, and nothing else may be imported before the version is known.
 */

import { readFileSync } from 'fs'

/** True when this Node satisfies `engines.node` of package.json; else says what is needed and sets the exit code. */
export function isNodeSupported() {
  const packageJson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const needed = packageJson.engines.node
  if (isAtLeast(process.versions.node, needed.replace('>=', ''))) return true
  console.error('hourwheel needs Node.js ' + needed + '; this is ' + process.version + ' (' + process.execPath + ').')
  process.exitCode = 1
  return false
}

function isAtLeast(version, minimum) {
  const have = version.split('.').map(Number)
  const need = minimum.split('.').map(Number)
  for (let i = 0; i < need.length; i++) {
    if (have[i] !== need[i]) return have[i] > need[i]
  }
  return true
}
