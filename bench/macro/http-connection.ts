/**
 * A client that does as little as can be done: one connection to a Unix socket, one request at a time, answers are counted by
 * their content-length. So that what is measured is the server.
 */

import { connect, type Socket } from 'node:net'

export class HttpConnection {
  readonly #socket: Socket
  #chunks: Buffer[] = []
  #bytes = 0
  #wanted = 0
  #status = 0
  #resolve: ((status: number) => void) | undefined
  #reject: ((error: Error) => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#take(chunk))
    socket.on('error', (error) => this.#reject?.(error))
    socket.on('close', () => this.#reject?.(new Error('the server closed the connection')))
  }

  static open(path: string): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(path)
      socket.once('connect', () => resolve(new HttpConnection(socket)))
      socket.once('error', reject)
    })
  }

  /** Resolves to the status. */
  request(head: string, body: string | Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      if (typeof body === 'string') {
        this.#socket.write(head + body)
        return
      }
      this.#socket.cork()
      this.#socket.write(head)
      this.#socket.write(body)
      this.#socket.uncork()
    })
  }

  close(): void {
    this.#reject = undefined
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#wanted === 0) {
      this.#chunks.push(chunk)
      const head = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      const text = head.toString('latin1', 0, end)
      const length = /content-length: (\d+)/iu.exec(text)
      this.#status = Number(text.slice(9, 12))
      this.#wanted = end + 4 + Number(length?.[1] ?? 0)
      this.#chunks = []
    }
    if (this.#bytes < this.#wanted) return
    this.#bytes = 0
    this.#wanted = 0
    this.#resolve?.(this.#status)
  }
}

export function requestHead(method: string, path: string, type: string, bodyBytes: number): string {
  return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ncontent-length: ${bodyBytes}\r\n\r\n`
}
