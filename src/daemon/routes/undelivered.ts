/**
 * Whether an answer has reached the one who asked, as far as a connection can tell: it has not when the connection was closed before
 * all of it was sent, or breaks right after that, as it does when a client goes away with the answer unread. A further request on
 * the connection shows that it has.
 *
 * What it cannot see: an answer sent over TCP in the very moment in which the client closed its end is taken for delivered.
 */

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** A connection that breaks later than this is no sign: whoever asked has read the answer by then, and may be at work. */
const brokenWithinMs = 2_000

interface Sent {
  isSent: boolean
  sentMs: number
  readonly bytesRead: number
  readonly lost: () => void
}

const last: unique symbol = Symbol('last')
type Watched = Socket & { [last]?: Sent }

/** Lets what has happened to connections meanwhile be noticed: an answer for one who is gone need not be sent. */
export function noticeGone(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Calls `lost` when the answer that is sent next was not delivered. */
export function whenUndelivered(response: ServerResponse, lost: () => void): void {
  const socket: Watched | null = response.socket
  if (socket === null || response.destroyed) {
    lost()
    return
  }
  const isWatched = socket[last] !== undefined
  const sent: Sent = { isSent: false, sentMs: 0, bytesRead: socket.bytesRead, lost }
  socket[last] = sent
  response.once('finish', () => {
    sent.isSent = true
    sent.sentMs = performance.now()
  })
  if (!isWatched) socket.once('close', (isBroken) => closed(socket, isBroken))
}

function closed(socket: Watched, isBroken: boolean): void {
  const { isSent, sentMs, bytesRead, lost } = socket[last]!
  if (socket.bytesRead > bytesRead) return
  if (!isSent || (isBroken && performance.now() - sentMs < brokenWithinMs)) lost()
}
