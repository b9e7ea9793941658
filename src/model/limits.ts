/**
 * Every limit of the engine in one place, units last. Reaching one is an error with a code (docs/errors.md); nothing is
 * clamped or cut in silence. Limits of the format (20-bit hours, 16-bit queue numbers) are with the format.
 */

const table = {
  /** Default; an option may raise it to `payloadBytesHardMax`. */
  payloadBytesMax: 65_536,
  payloadBytesHardMax: 1_048_576,
  payloadDepthMax: 100,
  batchTasksMax: 10_000,
  batchBytesMax: 8_388_608,
  queuesMax: 10_000,
  nameLengthMax: 128,
  keyBytesMax: 256,
  headersBytesMax: 4_096,
  headersCountMax: 64,
  attemptsMax: 1_000,
  /** Default number of attempts that a queue's inline handler runs at once. */
  concurrencyDefault: 100,
  concurrencyMax: 100_000,
  /** Worker threads of one handler. */
  threadsMax: 256,
  /** The engine looks at the clock at least this often, whatever is due next. */
  timerSleepMsMax: 1_000,
  leaseMsMin: 100,
  leaseMsDefault: 30_000,
  leaseMsMax: 86_400_000,
  leaseTasksMax: 1_000,
  leaseWaitMsMax: 60_000,
  timeoutMsMin: 10,
  timeoutMsDefault: 60_000,
  timeoutMsMax: 86_400_000,
  listTasksMax: 1_000,
  /** Longer texts of errors are cut where they are stored with a task. */
  errorTextBytesMax: 2_048,
  /** Hours are retired once they are so far in the past, and nothing live is filed under them. */
  retireAfterHours: 24,
  /** Leases lost with the engine's process after which a task runs alone, and after which it is a dead letter. */
  lossesAloneMin: 3,
  lossesMax: 10,
}

export type Limits = { readonly [name in keyof typeof table]: number }

export const limits: Limits = Object.freeze(table)
