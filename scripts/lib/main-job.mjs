/** Runs the main job inside this process: nothing stands between it and its signals, its exit code or its terminal. */

import { pathToFileURL } from 'node:url'
import { handOver } from './lifetime.mjs'
import { mainJob } from './places.mjs'

export async function runInThisProcess(args) {
  process.argv = [process.execPath, mainJob, ...args]
  handOver()
  await import(pathToFileURL(mainJob).href)
}
