/** Whether a call of the disk failed for want of room; it may pass, and nothing was done that the caller does not know of. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code
  return code === 'ENOSPC' || code === 'EDQUOT'
}
