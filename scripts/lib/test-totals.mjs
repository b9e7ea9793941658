/**
 * `node test-totals.mjs <vitest's JSON report>` prints `N passed, N failed`. A test file that could not be run counts
 * as one failure. Fails when something failed, and when nothing was run.
 */

import { existsSync, readFileSync } from 'node:fs'

const file = process.argv[2]
const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
const brokenFiles = report?.testResults.filter((one) => one.status === 'failed' && one.assertionResults.length === 0)
const passed = report?.numPassedTests ?? 0
const failed = (report?.numFailedTests ?? 0) + (brokenFiles?.length ?? 0)

if (passed + failed === 0) console.log('No test was run.')
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = passed > 0 && failed === 0 ? 0 : 1
