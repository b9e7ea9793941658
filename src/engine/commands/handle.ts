/** handle: gives a queue its handler, in this thread or, by a module, in threads of its own. */

import { newConsumer } from '../../delivery/consumer.ts'
import { ThreadExecutor, type ThreadsWanted } from '../../delivery/thread-executor.ts'
import type { PlainNext } from '../../delivery/thread-messages.ts'
import { parseDuration } from '../../model/durations.ts'
import { refuse, shown } from '../../model/errors.ts'
import { checkFields, wholeIn } from '../../model/fields.ts'
import type { Handler, HandlerHandle, HandlerModule, ModuleOptions, ThreadMemory } from '../../model/hourwheel.ts'
import { limits } from '../../model/limits.ts'
import { checkQueueName } from '../../model/names.ts'
import { encodePayload } from '../../model/payload.ts'
import type { Core } from '../core.ts'
import { withValidPayloadNow } from '../payload-schema.ts'
import type { QueueRuntime } from '../queue-runtime.ts'
import { checkTimeoutMs, type EncodedTask } from '../task-encoder.ts'

/**
 * MiB, from and to. Outside of these Node may end the whole process instead of the thread (seen with an old generation of
 * 1 MiB on Node 24, and with stacks of 100 GiB on all versions).
 */
const memoryRanges: Readonly<Record<keyof ThreadMemory, readonly [number, number]>> = {
  maxOldGenerationSizeMb: [16, 2 ** 20],
  maxYoungGenerationSizeMb: [1, 2 ** 16],
  codeRangeSizeMb: [1, 2 ** 12],
  stackSizeMb: [1, 256],
}

export async function handle(
  core: Core,
  queue: string,
  handler: Handler | HandlerModule,
  options: ModuleOptions,
): Promise<HandlerHandle> {
  core.assertOpen()
  checkQueueName(queue)
  const isModule = typeof handler === 'object' && handler !== null
  if (!isModule && typeof handler !== 'function') {
    throw refuse('HW_HANDLER_INVALID', `the handler of queue '${queue}' must be a function, or { module } with its URL`)
  }
  if (typeof options !== 'object' || options === null) {
    throw refuse('HW_INVALID_OPTIONS', 'the options of handle must be an object')
  }
  const { cores } = core.platform.handlers
  checkFields(options, ['concurrency', 'timeout', ...(isModule ? ['threads', 'resourceLimits'] : [])], 'handle')
  const concurrency = wholeIn(
    options.concurrency ?? (isModule ? cores : limits.concurrencyDefault),
    1,
    limits.concurrencyMax,
    'concurrency',
  )
  const timeoutMs =
    options.timeout === undefined ? undefined : checkTimeoutMs(parseDuration(options.timeout, 'timeout'))
  if (!isModule) return handleUpTo(core, queue, handler, () => concurrency, timeoutMs)
  const threads = wholeIn(options.threads ?? Math.min(cores, concurrency), 1, limits.threadsMax, 'threads')
  if (threads > concurrency) {
    throw refuse('HW_INVALID_OPTIONS', `threads (${threads}) must not be more than concurrency (${concurrency})`)
  }
  const wanted: ThreadsWanted = {
    module: moduleUrl(queue, handler),
    concurrency,
    threads,
    limits: checkMemory(options.resourceLimits),
    setup: { queue, incarnation: core.incarnation, payloadBytesMax: core.settings.payloadBytesMax },
  }
  freeQueue(core, queue)
  const executor = await openThreads(core, queue, wanted)
  try {
    // Both may have changed while the module was loaded.
    core.assertOpen()
    const runtime = freeQueue(core, queue)
    const consumer = newConsumer(runtime, executor, () => executor.leaseMax, { timeoutMs })
    executor.wake = () => core.dispatcher.pump(runtime.number)
    core.dispatcher.addConsumer(consumer)
    core.ticker.poke()
    return { stop: () => core.dispatcher.removeConsumer(consumer) }
  } catch (error) {
    await executor.close()
    throw error
  }
}

/** A handler in this thread that has as many attempts at once as `leaseMax` says each time; `poke` when it says more than before. */
export function handleUpTo(
  core: Core,
  queue: string,
  handler: Handler,
  leaseMax: () => number,
  timeoutMs?: number,
): PokedHandle {
  core.assertOpen()
  const runtime = freeQueue(core, checkQueueName(queue))
  const consumer = newConsumer(runtime, core.inlineExecutor(handler), leaseMax, { timeoutMs })
  core.dispatcher.addConsumer(consumer)
  core.ticker.poke()
  return {
    stop: () => core.dispatcher.removeConsumer(consumer),
    poke: () => core.dispatcher.pump(runtime.number),
  }
}

export interface PokedHandle extends HandlerHandle {
  readonly poke: () => void
}

function freeQueue(core: Core, queue: string): QueueRuntime {
  const runtime = core.queueOf(queue)
  if (!core.dispatcher.hasConsumer(runtime.number)) return runtime
  throw refuse('HW_HANDLER_EXISTS', `queue '${queue}' has a handler already; stop it first`)
}

async function openThreads(core: Core, queue: string, wanted: ThreadsWanted): Promise<ThreadExecutor> {
  const { platform, dispatcher, recorder, fenceBase } = core
  try {
    return await ThreadExecutor.open(wanted, {
      clock: platform.clock,
      handlers: platform.handlers,
      answers: dispatcher,
      fenceBase,
      taskBytes: (row) => recorder.taskBytes(row),
      nextOf: (next) => nextOf(core, next),
    })
  } catch (cause) {
    core.assertOpen()
    const text = cause instanceof Error ? cause.message : String(cause)
    const message = `the handler module of queue '${queue}', ${wanted.module}, cannot be used: ${text}`
    throw refuse('HW_HANDLER_INVALID', message, { cause, details: { queue, module: wanted.module } })
  }
}

/** A successor that was validated in a thread: what remains are the schema and the number of its queue. */
function nextOf(core: Core, { queue, payload, ...rest }: PlainNext): EncodedTask {
  const { queues, payloadBytesMax } = core.settings
  if (queues.get(queue)?.payload === undefined) return { ...rest, payload, queue: core.queueOf(queue) }
  const given: unknown = typeof payload === 'string' ? JSON.parse(payload) : payload
  const valid = withValidPayloadNow(queues, { queue, payload: given })
  return { ...rest, payload: encodePayload(valid.payload, payloadBytesMax), queue: core.queueOf(queue) }
}

function moduleUrl(queue: string, handler: HandlerModule): string {
  checkFields(handler, ['module'], 'the handler')
  const module: unknown = handler.module
  const href = typeof module === 'object' && module !== null ? (module as { href?: unknown }).href : module
  if (typeof href === 'string' && /^(?:file|data):/.test(href)) return href
  throw refuse(
    'HW_HANDLER_INVALID',
    `module of queue '${queue}' is ${shown(module)}; give its URL, such as new URL('./${queue}.js', import.meta.url)`,
  )
}

function checkMemory(memory: ThreadMemory | undefined): ThreadMemory {
  if (memory === undefined) return {}
  checkFields(memory, Object.keys(memoryRanges), 'resourceLimits')
  for (const [name, [min, max]] of Object.entries(memoryRanges)) {
    const value = memory[name as keyof ThreadMemory]
    if (value !== undefined) wholeIn(value, min, max, `resourceLimits.${name}`)
  }
  return memory
}
