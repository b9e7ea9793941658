/** What a thread with handlers runs. The threads' platform is given this file by its URL (index.ts), as with jobs.ts. */

import { BatchRunner } from '../delivery/batch-runner.ts'
import type { ThreadMessage, ThreadSetup } from '../delivery/thread-messages.ts'
import type { Handler } from '../model/hourwheel.ts'
import type { HandlerRunner, RunnerStart } from '../platform/handler-runner.ts'
import { encodeSuccessor } from './task-encoder.ts'

export function createRunner({ handler, setup, clock, say }: RunnerStart): HandlerRunner {
  const { payloadBytesMax } = setup as ThreadSetup
  const runner = new BatchRunner({
    setup: setup as ThreadSetup,
    handler: handler as Handler,
    clock,
    say,
    encodeNext: (task) => encodeSuccessor(task, clock.wallMs(), payloadBytesMax, (name) => name),
  })
  return {
    receive: (message) => runner.receive(message as ThreadMessage),
    stop: () => runner.stop(),
  }
}
