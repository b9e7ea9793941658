/** Failures of the disk that may pass, and with which nothing was done that the caller does not know of. */

/** No room is left. */
export function isDiskFull(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** Too few file descriptors are left. */
export function isOutOfHandles(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'EMFILE' || code === 'ENFILE'
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code
}
