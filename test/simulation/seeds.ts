/** Runs seeds for a test file: half of the 500 of every check each, since vitest runs two files at a time. */

import { expect } from 'vitest'
import { simulate } from '../../src/testing/simulator/simulation.ts'
import type { SimulationResult } from '../../src/testing/simulator/simulation-result.ts'

/** The failing test says which seed, which rule, and what happened to that task. */
function report({ seed, violations, evidence }: SimulationResult): string {
  if (violations.length === 0) return 'ok'
  const broken = violations.slice(0, 5).map(({ rule, tag, message }) => `${rule} ${tag}: ${message}`)
  return [`seed ${seed}; again with: npm run sim -- --from ${seed} --seeds 1`, ...broken, ...evidence].join('\n')
}

/** Every `step`th seed from `first` up to `last`. */
export async function runSeeds(first: number, last: number, step: number): Promise<void> {
  let checkpoints = 0
  let crashes = 0
  let backups = 0
  let runs = 0
  for (let seed = first; seed <= last; seed += step) {
    const result = await simulate({ seed })
    expect(report(result)).toBe('ok')
    checkpoints += result.counts.checkpoints
    crashes += result.counts.kills + result.counts.powerCuts
    backups += result.counts.backups
    runs++
  }
  // A simulation in which nothing happens finds nothing.
  expect(checkpoints).toBeGreaterThan(15 * runs)
  expect(crashes).toBeGreaterThan(3 * runs)
  expect(backups).toBeGreaterThan(runs)
}
