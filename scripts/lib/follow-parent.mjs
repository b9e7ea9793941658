/**
 * Preloaded into the children of the scripts: a child whose parent was killed without warning ends too, with all that it
 * has started itself. Such a child leads a process group.
 */

import { isMainThread } from 'node:worker_threads'

const lookMs = 500
const parent = process.ppid

if (isMainThread) {
  setInterval(() => {
    if (process.ppid !== parent) process.kill(-process.pid, 'SIGKILL')
  }, lookMs).unref()
}
