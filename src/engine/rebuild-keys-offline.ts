/**
 * Makes the view of keys of a closed directory anew: opens an engine that is shown none, so that it does what it does when the
 * view is lost (rebuild-keys.ts), and closes it. Nothing is fired: no handler is there.
 */

import type { EngineOptions } from '../model/engine.ts'
import type { KeyView, Platform } from '../platform/ports.ts'
import { assertData } from './directory.ts'
import { openEngineOn } from './open.ts'

/** Answers how many keys were written. `progress` hears of them as they are. */
export async function rebuildKeysOffline(
  platform: Platform,
  options: EngineOptions,
  progress: (keys: number) => void = () => undefined,
): Promise<number> {
  await assertData(platform, options.dir)
  // While it is made anew its LSN stays 0; what the log says comes after that, once more.
  let rebuilt = 0
  let fromLog = 0
  const counted = (view: KeyView): KeyView => ({
    get lsn() {
      return view.lsn
    },
    get: (queue, key) => view.get(queue, key),
    write: async (changes, lsn, forgets) => {
      await view.write(changes, lsn, forgets)
      if (lsn === 0) rebuilt += changes.length
      else fromLog += changes.length
      progress(rebuilt === 0 ? fromLog : rebuilt)
    },
    close: () => view.close(),
  })
  const blind: Platform = {
    ...platform,
    openKeyView: (async (path: string, history: number, how: 'existing' | 'anew') =>
      how === 'existing'
        ? undefined
        : counted(await platform.openKeyView(path, history, how))) as Platform['openKeyView'],
  }
  const engine = await openEngineOn(blind, options)
  await engine.close({ drain: 0 })
  return rebuilt === 0 ? fromLog : rebuilt
}
