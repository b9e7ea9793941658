/** Lines to and from the parent, written and read without handing back the thread: their order is that of the events. */

import { readSync, writeSync } from 'node:fs'

export function say(line) {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let at = 0; at < bytes.length;) at += whenItCan(() => writeSync(1, bytes, at))
}

/** Pipes may be set to answer at once, that they are full or empty. */
function whenItCan(call) {
  for (;;) {
    try {
      return call()
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

/** One line of standard input, without handing back the thread: nothing changes between the scan and what is asked about it. */
export function hear() {
  const chunk = Buffer.alloc(65_536)
  let text = ''
  while (!text.endsWith('\n')) {
    const count = whenItCan(() => readSync(0, chunk))
    if (count === 0) process.exit(0)
    text += chunk.toString('utf8', 0, count)
  }
  return JSON.parse(text)
}
