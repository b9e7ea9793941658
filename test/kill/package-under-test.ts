/** The main module of the built package: this repository's, or another build that the environment names. */

import * as path from 'node:path'

export const packageUnderTest: string = process.env['HOURWHEEL_PACKAGE'] ?? path.resolve('dist/index.js')

/** Its `hourwheel` program. */
export const programUnderTest: string = path.resolve(path.dirname(packageUnderTest), 'cli/main.js')
