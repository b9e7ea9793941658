import { test } from 'vitest'
import { runSeeds } from './seeds.ts'

test('even seeds up to 500 keep every promise', { timeout: 900_000 }, () => runSeeds(2, 500, 2))
