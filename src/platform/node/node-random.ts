/** The real random numbers: fast ones for jitter, unpredictable bytes for file ids. */

import { randomFillSync } from 'node:crypto'
import type { Random } from '../ports.ts'

export function createNodeRandom(): Random {
  return {
    unit: () => Math.random(),
    bytes: (count) => randomFillSync(new Uint8Array(count)),
  }
}
