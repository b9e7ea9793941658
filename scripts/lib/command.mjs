/** The frame around every command: its children end with it, and an expected failure is a sentence, not a stack. */

import { guard } from './lifetime.mjs'

/** Thrown where a step failed and has already said why, or where `message` says it. */
export class StepFailed extends Error {}

/** Runs `steps`; a number it resolves to is the exit code. */
export async function command(steps) {
  guard()
  try {
    process.exitCode = (await steps()) ?? 0
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
