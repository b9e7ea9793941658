/** A handler module in TypeScript, which the test runner compiles. */

import type { AttemptContext, Task } from '../../../src/index.ts'

export const greeted: string[] = []

export default async function greet(task: Task, context: AttemptContext): Promise<void> {
  await Promise.resolve()
  greeted.push(`${String(task.payload)} ${context.attempt}`)
  if (context.attempt === 1) throw new Error('once more')
}
