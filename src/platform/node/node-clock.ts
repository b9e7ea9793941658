/**
 * The real clock. A timer of Node may fire up to a millisecond early and forgets its unit beyond 2^31 ms: timers here
 * look at the monotonic clock when they fire and sleep on if it is too early, and refuse more than a second.
 *
 * With `keepAlive` false, timers do not keep the process running; `soon` does, as it is over after one turn.
 */

import { performance } from 'node:perf_hooks'
import type { Clock, TimerHandle } from '../ports.ts'

const timerMsMax = 1000

interface NodeTimer {
  readonly dueMs: number
  readonly run: () => void
  timeout: NodeJS.Timeout | undefined
}

export function createNodeClock(options: { keepAlive: boolean }): Clock {
  function arm(timer: NodeTimer, afterMs: number): void {
    timer.timeout = setTimeout(fire, Math.ceil(afterMs), timer)
    if (!options.keepAlive) timer.timeout.unref()
  }

  function fire(timer: NodeTimer): void {
    const leftMs = timer.dueMs - performance.now()
    if (leftMs > 0) return arm(timer, leftMs)
    timer.timeout = undefined
    timer.run()
  }

  return {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer(afterMs: number, run: () => void): TimerHandle {
      // Also false for NaN.
      if (!(afterMs >= 0 && afterMs <= timerMsMax)) throw new RangeError(`timer of ${afterMs} ms, not 0..${timerMsMax}`)
      const timer: NodeTimer = { dueMs: performance.now() + afterMs, run, timeout: undefined }
      arm(timer, afterMs)
      return timer
    },
    clearTimer(timer: TimerHandle): void {
      clearTimeout((timer as NodeTimer).timeout)
    },
    soon(run: () => void): void {
      setImmediate(run)
    },
  }
}
