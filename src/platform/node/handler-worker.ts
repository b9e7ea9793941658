/** The worker's side of handler-threads.ts: imports the user's module and runs its handlers. */

import { workerData, type MessagePort } from 'node:worker_threads'
import { defaultExportOf, type CreateRunner, type HandlerRunner } from '../handler-runner.ts'
import { failureOf, type JobOutcome } from '../jobs.ts'
import { createNodeClock } from './node-clock.ts'

export interface HandlerWorkerData {
  /** A compiled module that exports `createRunner`. */
  readonly runnerModule: string
}

/** The first message to a thread; all others are for its runner. */
export interface StartMessage {
  readonly start: { readonly module: string; readonly setup: unknown; readonly port: MessagePort }
}

let runner: HandlerRunner | undefined

export default function answer(message: unknown): Promise<unknown> {
  if (runner !== undefined) return runner.receive(message)
  return start(message as StartMessage)
}

/** The failure of the module, thrown as plain data, or undefined. */
async function start({ start: { module, setup, port } }: StartMessage): Promise<JobOutcome | undefined> {
  try {
    const { runnerModule } = workerData as HandlerWorkerData
    const { createRunner } = (await import(runnerModule)) as { createRunner: CreateRunner }
    const handler = defaultExportOf(await import(module))
    const clock = createNodeClock({ keepAlive: true })
    runner = createRunner({ handler, setup, clock, say: (said) => port.postMessage(said) })
    return undefined
  } catch (error) {
    return failureOf(error)
  }
}
