/**
 * The worker's side of an I/O thread (io-thread.ts): blocking system calls, one after the other.
 *
 * It sleeps in Atomics.wait rather than in the event loop, which halves the time to wake it. Whatever a call throws is
 * its answer; the thread goes on.
 */

import * as fs from 'node:fs'
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { IoAnswer, IoCommand, IoWorkerData } from './io-protocol.ts'

/** Answers of one message go back together, unless a sync follows or they have been held back for so long. */
const heldMsMax = 1

const { port, wake } = workerData as IoWorkerData & { port: MessagePort }

let open = true
while (open) {
  const seen = Atomics.load(wake, 0)
  for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port)) {
    if (received.message === null) open = false
    else carryOut(received.message as IoCommand[])
  }
  if (open) Atomics.wait(wake, 0, seen)
}
port.close()

function carryOut(commands: IoCommand[]): void {
  let answers: IoAnswer[] = []
  let heldSinceMs = 0
  for (const command of commands) {
    const isHeldLong = command.operation === 'sync' || performance.now() - heldSinceMs > heldMsMax
    if (answers.length > 0 && isHeldLong) {
      port.postMessage(answers)
      answers = []
    }
    if (answers.length === 0) heldSinceMs = performance.now()
    answers.push(answerTo(command))
  }
  port.postMessage(answers)
}

function answerTo(command: IoCommand): IoAnswer {
  waitFor(command.progress, command.after)
  try {
    return run(command)
  } catch (error) {
    const { code = 'UNKNOWN', message, syscall } = error as NodeJS.ErrnoException
    return { code, message, syscall }
  } finally {
    if (command.operation !== 'sync') {
      Atomics.add(command.progress, 0, 1)
      Atomics.notify(command.progress, 0)
    }
  }
}

function run(command: IoCommand): number {
  const { fd } = command
  switch (command.operation) {
    case 'write':
      return fs.writeSync(fd, command.bytes, 0, command.bytes.length, command.at)
    case 'sync':
      fs.fdatasyncSync(fd)
      return 0
    case 'read':
      return fs.readSync(fd, command.bytes, 0, command.bytes.length, command.at)
    case 'truncate':
      fs.ftruncateSync(fd, command.at)
      return 0
    case 'size':
      return fs.fstatSync(fd).size
  }
}

/** Until `count` calls of the file have returned, in this thread or its other one. Counts wrap at 2^32. */
function waitFor(progress: Int32Array, count: number): void {
  for (;;) {
    const done = Atomics.load(progress, 0)
    if (((done - count) | 0) >= 0) return
    Atomics.wait(progress, 0, done)
  }
}
