/** What a process can tell about itself: memory, and how long its event loop stood still. */

import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const resolutionMs = 1
const mebibyte = 1 << 20

/** Resident memory now, in bytes. */
export function residentBytes(): number {
  return statusBytes('VmRSS') ?? process.memoryUsage.rss()
}

/** The largest resident memory this process ever had, in bytes. */
export function residentBytesPeak(): number {
  return statusBytes('VmHWM') ?? process.resourceUsage().maxRSS * 1024
}

export function inMebibytes(bytes: number): number {
  return bytes / mebibyte
}

/** A line of /proc/self/status, on Linux. */
function statusBytes(name: string): number | undefined {
  try {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'latin1'))
    return match === null ? undefined : Number(match[1]) * 1024
  } catch {
    return undefined
  }
}

export interface StallFigures {
  readonly stallP999Ms: number
  readonly stallMaxMs: number
}

/**
 * Begins to watch the event loop; the answer says by how much a timer of 1 ms was late, at worst and for one in a
 * thousand. A loop that works in turns of 2 ms shows them here.
 */
export function watchStalls(): () => StallFigures {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs })
  delays.enable()
  return () => {
    delays.disable()
    const lateMs = (ns: number): number => Math.max(0, ns / 1e6 - resolutionMs)
    return { stallP999Ms: lateMs(delays.percentile(99.9)), stallMaxMs: lateMs(delays.max) }
  }
}

/** Samples resident memory while something runs; `stop` answers the largest seen. */
export function watchMemory(everyMs = 100): { readonly stop: () => number } {
  let largest = residentBytes()
  const look = (): void => {
    largest = Math.max(largest, residentBytes())
  }
  const timer = setInterval(look, everyMs)
  timer.unref()
  return {
    stop() {
      clearInterval(timer)
      look()
      return largest
    },
  }
}

/** By then the thread of the checkpoints, which has nothing to do any more, has ended. */
const idleMs = 6_000

/** Memory as it is once nothing has been done for a while. */
export async function restMemory(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, idleMs))
  await settleMemory()
}

/** Collects garbage as far as the process was started with --expose-gc, so that what is left is what is held. */
export async function settleMemory(): Promise<void> {
  const collect = (globalThis as { gc?: () => void }).gc
  for (let round = 0; round < 3; round++) {
    collect?.()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
