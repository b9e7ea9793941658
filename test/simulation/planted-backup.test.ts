/**
 * Bugs planted in backup and restore, one at a time: the simulator must find each within a few seeds, in the backup or in the engine
 * that it was taken of, and for the right reason. Where no bug is planted, these parts are as they are everywhere else.
 */

import { afterEach, expect, test, vi } from 'vitest'
import { simulate } from '../../src/testing/simulator/simulation.ts'

type Bug =
  | 'none'
  | 'the log file in use is left out'
  | 'files go while they are copied'
  | 'nothing is let go of'
  | 'names are not synced'
  | 'copies are not synced'
  | 'restore skips what is to come'
  | 'restore keeps what has passed'

const planted = vi.hoisted(() => ({ bug: 'none' }))

vi.mock(import('../../src/engine/backup/backup.ts'), async (original) => {
  const real = await original()
  return {
    ...real,
    backup: (...[core, ...rest]: Parameters<typeof real.backup>) => {
      if (planted.bug !== 'the log file in use is left out') return real.backup(core, ...rest)
      const { log } = core
      const files = (): ReturnType<typeof log.files> => {
        const all = log.files()
        return all.length > 1 ? all.slice(0, -1) : all
      }
      const part = {
        files,
        appendedLsn: log.appendedLsn,
        get syncedLsn(): number {
          return log.syncedLsn
        },
        whenSynced: (lsn: number) => log.whenSynced(lsn),
      }
      return real.backup({ ...core, assertOpen: () => core.assertOpen(), log: part } as typeof core, ...rest)
    },
  }
})

vi.mock(import('../../src/engine/file-holds.ts'), async (original) => {
  const real = await original()
  class FileHolds extends real.FileHolds {
    override take(): ReturnType<InstanceType<typeof real.FileHolds>['take']> {
      const none = { releaseLog: () => undefined, release: () => Promise.resolve() }
      if (planted.bug === 'files go while they are copied') return none
      const hold = super.take()
      return planted.bug === 'nothing is let go of' ? none : hold
    }
  }
  return { ...real, FileHolds }
})

vi.mock(import('../../src/storage/copy-file.ts'), async (original) => {
  const real = await original()
  return {
    ...real,
    syncNamesOf: (...call: Parameters<typeof real.syncNamesOf>) =>
      planted.bug === 'names are not synced' ? Promise.resolve() : real.syncNamesOf(...call),
    copyFile: async (...[source, from, target, ...rest]: Parameters<typeof real.copyFile>) => {
      if (planted.bug !== 'copies are not synced') return real.copyFile(source, from, target, ...rest)
      const lazy = {
        open: async (...call: Parameters<typeof target.open>) => {
          const file = await target.open(...call)
          file.sync = () => Promise.resolve()
          return file
        },
      }
      return real.copyFile(source, from, lazy as typeof target, ...rest)
    },
  }
})

vi.mock(import('../../src/engine/backup/overdue.ts'), async (original) => {
  const real = await original()
  return {
    ...real,
    settleOverdue: (...[core, choice, nowMs, progress]: Parameters<typeof real.settleOverdue>) => {
      if (planted.bug === 'restore keeps what has passed') return Promise.resolve({ skipped: 0, setAside: 0 })
      if (planted.bug !== 'restore skips what is to come') return real.settleOverdue(core, choice, nowMs, progress)
      const end = nowMs + 400 * 86_400_000
      return real.settleOverdue(core, { what: 'skip-before', at: end }, end, progress)
    },
  }
})

afterEach(() => {
  planted.bug = 'none'
})

/** The rules that the first broken seeds break, up to the one that is looked for. */
async function rulesBroken(bug: Bug, seeds: number, rule: RegExp): Promise<string[]> {
  planted.bug = bug
  const rules = new Set<string>()
  for (let seed = 1; seed <= seeds && ![...rules].some((broken) => rule.test(broken)); seed++) {
    const { violations } = await simulate({ seed, soundDisk: true })
    for (const { rule: broken } of violations) rules.add(broken)
  }
  return [...rules]
}

test('without a bug the same seeds are sound', async () => {
  expect(await rulesBroken('none', 8, /./)).toEqual([])
})

test.each<[Bug, RegExp]>([
  ['the log file in use is left out', /^backup: (D1 lost|D5 ended)$/],
  ['files go while they are copied', /^backup$/],
  ['nothing is let go of', /^backup disturbs$/],
  ['names are not synced', /^backup: lost$/],
  ['copies are not synced', /^backup: (verify|opens)$/],
  ['restore skips what is to come', /^backup: (D1 lost|counts)$/],
  ['restore keeps what has passed', /^backup: overdue$/],
])('%s: found', async (bug, rule) => {
  expect(await rulesBroken(bug, 30, rule)).toContainEqual(expect.stringMatching(rule))
})
