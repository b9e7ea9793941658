/** Opens an engine on a directory just to read from it: nothing is fired, since nothing handles. */

import { existsSync } from 'node:fs'
import { openEngine } from '../engine/this-machine.ts'
import type { Engine } from '../model/engine.ts'
import { refuse } from '../model/errors.ts'

export async function reading<T>(dir: string, read: (engine: Engine) => Promise<T>): Promise<T> {
  if (!existsSync(`${dir}/MANIFEST`)) {
    throw refuse('HW_DIRECTORY_UNUSABLE', `${dir} is not a data directory of hourwheel: it has no MANIFEST`)
  }
  const engine = await openEngine({ dir })
  try {
    return await read(engine)
  } finally {
    await engine.close({ drain: 0 })
  }
}

export const dirOption = ['--dir <directory>', 'the data directory'] as const
