import { describe, expect, it } from 'vitest'
import { HourwheelError } from '../../dist/index.js'
import type { ModuleOptions } from '../../src/model/hourwheel.ts'
import { moduleUrl, ThreadsRig, until } from './rig.ts'

async function refusalOf(work: Promise<unknown>): Promise<HourwheelError> {
  const error = await work.then(
    () => 'resolved',
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(HourwheelError)
  return error as HourwheelError
}

describe('a module of handlers', () => {
  it.each([
    ['not-there.mjs', /not-there\.mjs/],
    ['throws.mjs', /not today/],
    ['exits.mjs', /ended itself with code 4/],
    ['no-default.mjs', /the default export must be a function .*, but it has none/],
    ['not-a-function.mjs', /the default export must be a function .*, but it is of type object/],
    ['syntax-error.txt', /syntax-error\.txt/],
  ])('that cannot be used is an error of handle: %s', async (module, text) => {
    const rig = await ThreadsRig.open()
    const { code, message, cause, details } = await refusalOf(rig.handle({ threads: 1 }, module))
    expect(code).toBe('HW_HANDLER_INVALID')
    expect(message).toMatch(text)
    expect(cause).toBeInstanceOf(Error)
    expect(details).toMatchObject({ queue: 'work' })
    // The queue is free for another try.
    await rig.handle({ threads: 1 })
    await rig.work({ do: 'echo' })
    await until(() => rig.reports.length === 1, 'the report')
  })

  it('that needs more memory than it may have is one too', async () => {
    const rig = await ThreadsRig.open()
    const options = { threads: 1, resourceLimits: { maxOldGenerationSizeMb: 24 } }
    const { code, message } = await refusalOf(rig.handle(options, 'eats.mjs'))
    expect(code).toBe('HW_HANDLER_INVALID')
    expect(message).toMatch(/ran out of memory/)
  })

  it('may be given as the text of its URL', async () => {
    const rig = await ThreadsRig.open()
    await rig.engine.handle('work', { module: moduleUrl('handler.mjs').href })
    await rig.work({ do: 'echo' })
    await until(() => rig.reports.length === 1, 'the report')
  })

  it.each([
    [{ concurrency: 0 }, 'HW_INVALID_OPTIONS'],
    [{ concurrency: 2, threads: 3 }, 'HW_INVALID_OPTIONS'],
    [{ threads: 1.5 }, 'HW_INVALID_OPTIONS'],
    [{ timeout: 'never' }, 'HW_INVALID_DURATION'],
    [{ resourceLimits: { maxOldGenerationSizeMb: '100' } }, 'HW_INVALID_OPTIONS'],
    [{ resourceLimits: { maxOldGenerationSizeMb: 15 } }, 'HW_INVALID_OPTIONS'],
    [{ resourceLimits: { heap: 10 } }, 'HW_UNKNOWN_FIELD'],
    [{ thread: 1 }, 'HW_UNKNOWN_FIELD'],
  ])('is refused with options %o', async (options, code) => {
    const rig = await ThreadsRig.open()
    expect(await refusalOf(rig.handle(options as ModuleOptions))).toMatchObject({ code })
  })

  it.each([[{ module: './thumbs.js' }], [{ module: 7 }], [{ module: null }], [{}]])(
    'is refused when it is no URL: %o',
    async (module) => {
      const rig = await ThreadsRig.open()
      const { code, message } = await refusalOf(rig.engine.handle('work', module as never))
      expect(code).toBe('HW_HANDLER_INVALID')
      expect(message).toMatch(/import\.meta\.url/)
    },
  )

  it('is refused when the queue has a handler, also one that was added while it was loaded', async () => {
    const rig = await ThreadsRig.open()
    const loading = rig.handle({ threads: 1 })
    await rig.engine.handle('work', () => undefined)
    expect(await refusalOf(loading)).toMatchObject({ code: 'HW_HANDLER_EXISTS' })
    expect(await refusalOf(rig.handle())).toMatchObject({ code: 'HW_HANDLER_EXISTS' })
  })

  it('is refused when the engine closes while it is loaded', async () => {
    const rig = await ThreadsRig.open()
    const loading = refusalOf(rig.handle({ threads: 1 }))
    await rig.engine.close()
    expect(await loading).toMatchObject({ code: 'HW_CLOSED' })
  })
})
