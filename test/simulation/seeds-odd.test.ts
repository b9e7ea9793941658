import { test } from 'vitest'
import { runSeeds } from './seeds.ts'

test('odd seeds up to 500 keep every promise', { timeout: 900_000 }, () => runSeeds(1, 500, 2))
