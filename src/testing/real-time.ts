/**
 * Real time, for the guards of the testing kit: how long a handler may keep virtual time from going on. As it was when this
 * was loaded, since a test may put fake timers in place of the global ones.
 */

const startTimer = setTimeout
const stopTimer = clearTimeout

/** Calls `run` once after `ms` of real time; answers a function that calls it off. */
export function afterRealMs(ms: number, run: () => void): () => void {
  const timer = startTimer(run, ms)
  return () => stopTimer(timer)
}
