/**
 * Ends connections over which nothing has gone for so long. One look at all of them now and then, since Node's own timers, which
 * are set anew with each request and each answer, cost a tenth of a small request.
 */

import type { Server } from 'node:http'
import { Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'

/** A connection ends at the latest this part of `idleMs` after it. */
const looksPerIdle = 12

interface Seen {
  bytes: number
  looks: number
}

/** Whose client waits for what may take longer. */
const silent = new WeakSet<Socket>()

/** Nothing need go over this connection until what is returned is called: an answer is being made that takes its time. */
export function allowSilence(socket: Socket): () => void {
  silent.add(socket)
  return () => silent.delete(socket)
}

/** Until the server is closed. */
export function endIdleConnections(server: Server | TlsServer, idleMs: number): void {
  const connections = new Map<Socket, Seen>()
  server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.set(socket, { bytes: 0, looks: 0 })
    socket.once('close', () => connections.delete(socket))
  })
  const timer = setInterval(() => {
    for (const [socket, seen] of connections) {
      const bytes = socket.bytesRead + socket.bytesWritten
      if (bytes !== seen.bytes || silent.has(socket)) {
        seen.bytes = bytes
        seen.looks = 0
      } else if (++seen.looks > looksPerIdle) socket.destroy()
    }
  }, idleMs / looksPerIdle)
  timer.unref()
  server.once('close', () => clearInterval(timer))
}
