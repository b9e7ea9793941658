/**
 * Where the daemon listens: a Unix socket that only its owner reaches, TCP on loopback, TCP with TLS elsewhere. All have the same
 * limits: 10 s for the head of a request, 30 s for all of it, two idle minutes, so many connections.
 *
 * A socket that is left over from a process that is gone is removed; one that answers belongs to another daemon and is refused.
 */

import { chmod, lstat, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer, STATUS_CODES, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { refuse } from '../../model/errors.ts'
import { problemOf } from '../../protocol/problems.ts'
import { endIdleConnections } from './idle-connections.ts'

const headersMs = 10_000
const requestMs = 30_000
const idleMs = 120_000

export interface Listener {
  /** As a client is told: a path, or a URL. */
  readonly address: string
  readonly port: number | undefined
  connections(): Promise<number>
  /** Reads certificate and key again. */
  reload(): Promise<void>
  /** No new connections; those that are idle end, the others after their answer, at the latest after so long. */
  close(graceMs: number): Promise<void>
}

const serverOptions = {
  headersTimeout: headersMs,
  requestTimeout: requestMs,
  // All idle connections have one limit: idle-connections.ts.
  keepAliveTimeout: 0,
  connectionsCheckingInterval: 1_000,
}

export async function listenOnSocket(path: string, connectionsMax: number, handle: RequestListener): Promise<Listener> {
  await prepareSocket(path)
  const server = limited(createServer(serverOptions, handle), connectionsMax, handle)
  await bound(path, (ready) => {
    // The socket must never be there with other rights, not for an instant.
    const before = process.umask(0o177)
    try {
      server.listen(path, ready)
    } finally {
      process.umask(before)
    }
    return server
  })
  await chmod(path, 0o600)
  return listenerOf(server, path, undefined)
}

export async function listenOnTcp(
  { host, port }: { readonly host: string; readonly port: number },
  tls: { readonly certFile: string; readonly keyFile: string } | undefined,
  connectionsMax: number,
  handle: RequestListener,
): Promise<Listener> {
  const server: Server | TlsServer =
    tls === undefined
      ? createServer(serverOptions, handle)
      : createTlsServer({ ...serverOptions, ...(await certificate(tls)), minVersion: 'TLSv1.2' }, handle)
  limited(server, connectionsMax, handle)
  await bound(`${host}:${port}`, (ready) => server.listen({ host, port }, ready))
  const { port: actual } = server.address() as AddressInfo
  const name = host.includes(':') ? `[${host}]` : host
  const reload = async (): Promise<void> => {
    if (tls !== undefined) (server as TlsServer).setSecureContext(await certificate(tls))
  }
  return listenerOf(server, `${tls === undefined ? 'http' : 'https'}://${name}:${actual}`, actual, reload)
}

function limited<S extends Server | TlsServer>(server: S, connectionsMax: number, handle: RequestListener): S {
  server.maxConnections = connectionsMax
  endIdleConnections(server, idleMs)
  // Whether a body is wanted is said once its head has been looked at.
  server.on('checkContinue', handle)
  server.on('clientError', refuseUnparsed)
  return server
}

/** What is no HTTP, or came too slowly, is told so if it can still hear it. */
function refuseUnparsed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy()
    return
  }
  const isSlow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  const isLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const text = isSlow
    ? 'the request did not come in time'
    : isLarge
      ? 'the headers of the request have more than 16 KiB'
      : 'this is no HTTP/1.1 request'
  const code = isSlow ? 'HW_REQUEST_TIMEOUT' : 'HW_INVALID_REQUEST'
  const problem = problemOf(refuse(code, text), isLarge ? { status: 431 } : {})
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
  socket.destroySoon()
}

async function bound(where: string, listen: (ready: () => void) => Server | TlsServer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const server = listen(resolve)
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(refuse('HW_ADDRESS_UNUSABLE', `cannot listen on ${where}: ${cause.message}`, { cause }))
    })
  })
}

function listenerOf(
  server: Server | TlsServer,
  address: string,
  port: number | undefined,
  reload: () => Promise<void> = () => Promise.resolve(),
): Listener {
  return {
    address,
    port,
    reload,
    connections: () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count ?? 0))),
    close: (graceMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), graceMs)
        server.close(() => {
          clearTimeout(timer)
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}

async function certificate({ certFile, keyFile }: { readonly certFile: string; readonly keyFile: string }): Promise<{
  cert: Buffer
  key: Buffer
}> {
  try {
    const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)])
    return { cert, key }
  } catch (cause) {
    throw refuse('HW_INVALID_CONFIG', `the certificate cannot be read: ${(cause as Error).message}`, { cause })
  }
}

/** Makes the directory if need be, for us alone, and removes a socket that nobody listens on. */
async function prepareSocket(path: string): Promise<void> {
  const directory = dirname(path)
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    if (((await stat(directory)).mode & 0o002) !== 0) {
      throw refuse(
        'HW_ADDRESS_UNUSABLE',
        `everyone may write to ${directory}, and so could put a socket of their own there; choose a directory of ours alone`,
      )
    }
    const found = await lstat(path).catch(() => undefined)
    if (found === undefined) return
    if (!found.isSocket()) throw refuse('HW_ADDRESS_UNUSABLE', `${path} is there already and is no socket`)
    if (await answers(path)) throw refuse('HW_ADDRESS_UNUSABLE', `another process listens on ${path}`)
    await rm(path, { force: true })
  } catch (cause) {
    if (cause instanceof Error && 'outcome' in cause) throw cause
    throw refuse('HW_ADDRESS_UNUSABLE', `${path} cannot be used: ${(cause as Error).message}`, { cause })
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })
}
