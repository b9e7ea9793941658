/** How the tests run: two files at a time, each in a process of its own, so that none sees another's globals. */

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Generous: a busy machine must not fail a test. What has to be fast is measured in bench.
    testTimeout: 120_000,
    hookTimeout: 30_000,
    restoreMocks: true,
  },
})
