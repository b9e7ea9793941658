/** A real HTTP server on loopback that stands for a webhook's target, and what it has been sent. */

import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export type Answer = (received: Received, response: ServerResponse, nth: number) => void

export class Receiver {
  readonly received: Received[] = []
  connections = 0
  answer: Answer
  readonly #server: Server
  readonly #isTls: boolean

  private constructor(answer: Answer, tls: { key: string; cert: string } | undefined) {
    this.answer = answer
    this.#isTls = tls !== undefined
    const listener = (request: IncomingMessage, response: ServerResponse): void => void this.#take(request, response)
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
    this.#server.on(tls === undefined ? 'connection' : 'secureConnection', () => this.connections++)
  }

  static async open(answer: Answer = ok, tls?: { key: string; cert: string }): Promise<Receiver> {
    const receiver = new Receiver(answer, tls)
    await receiver.listen(0)
    return receiver
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  url(path = '/hook', host = '127.0.0.1'): string {
    return `http${this.#isTls ? 's' : ''}://${host}:${this.port}${path}`
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url: path = '', headers } = request
    const received = { method, path, headers, body: Buffer.concat(chunks) }
    this.received.push(received)
    this.answer(received, response, this.received.length)
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

export function ok(_received: Received, response: ServerResponse): void {
  response.writeHead(204).end()
}

export function status(code: number, headers: Record<string, string> = {}, body = ''): Answer {
  return (_received, response) => void response.writeHead(code, headers).end(body)
}

export function json(body: unknown): Answer {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return status(200, { 'content-type': 'application/json; charset=utf-8' }, text)
}
