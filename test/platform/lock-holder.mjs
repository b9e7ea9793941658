/** Holds the lock of the directory given until it is killed; says so first. */

import { lockDirectory } from '../../dist/platform/node/directory-lock.js'

const lock = await lockDirectory(process.argv[2] ?? '')
process.stdout.write(JSON.stringify('heldBy' in lock ? { heldBy: lock.heldBy } : { held: true }))
setInterval(() => undefined, 1000)
