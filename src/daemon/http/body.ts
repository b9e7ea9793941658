/**
 * Bodies of requests: limited before they are read, whatever their sender says, and together. The first 64 KiB of a body are
 * free, what goes beyond comes out of one budget for all: so a thousand slow senders of 16 MiB each are refused with 429 long
 * before the memory is gone, while those with small bodies are served.
 */

import type { IncomingMessage } from 'node:http'
import { refuse, type HourwheelError } from '../../model/errors.ts'

const freeBytes = 65_536
const none: Buffer = Buffer.alloc(0)

export class BodyReader {
  readonly #budgetBytes: number
  #usedBytes = 0

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Refuses by its headers alone what must not be read. */
  check(request: IncomingMessage, bytesMax: number): void {
    const { headers } = request
    const encoding = headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') {
      throw refuse('HW_UNSUPPORTED_MEDIA_TYPE', `the body is encoded as ${encoding.slice(0, 20)}; send it as it is`)
    }
    const length = headers['content-length']
    if (length !== undefined && Number(length) > bytesMax) throw tooLarge(bytesMax)
  }

  /** The whole body, if it has come already: as small ones have by the time their request is looked at. */
  arrived(request: IncomingMessage, bytesMax: number): Buffer | undefined {
    if (!request.complete) return undefined
    const body = (request.read() as Buffer | null) ?? none
    if (body.length > bytesMax) throw tooLarge(bytesMax)
    return body
  }

  /**
   * Calls `done` with the whole body, or `failed` when it is too large, when memory is short, or when the sender goes away; once.
   * No promise, and listeners stay where they are: either would cost more than all the rest for a small body.
   */
  read(
    request: IncomingMessage,
    bytesMax: number,
    done: (body: Buffer) => void,
    failed: (error: HourwheelError) => void,
  ): void {
    let first: Buffer | undefined
    let chunks: Buffer[] | undefined
    let bytes = 0
    let paidBytes = 0
    let isOver = false
    const end = (error: HourwheelError): void => {
      isOver = true
      this.#usedBytes -= paidBytes
      failed(error)
    }
    request.on('data', (chunk: Buffer) => {
      if (isOver) return
      bytes += chunk.length
      if (bytes > bytesMax) return end(tooLarge(bytesMax))
      const over = bytes - freeBytes - paidBytes
      if (over > 0) {
        if (this.#usedBytes + over > this.#budgetBytes) return end(overloaded())
        this.#usedBytes += over
        paidBytes += over
      }
      if (first === undefined) first = chunk
      else if (chunks === undefined) chunks = [first, chunk]
      else chunks.push(chunk)
    })
    request.on('end', () => {
      if (isOver) return
      isOver = true
      this.#usedBytes -= paidBytes
      done(chunks === undefined ? (first ?? none) : Buffer.concat(chunks, bytes))
    })
    request.on('close', () => {
      if (!isOver) end(refuse('HW_REQUEST_TIMEOUT', 'the body ended before it was complete'))
    })
  }
}

function tooLarge(bytesMax: number): HourwheelError {
  return refuse('HW_BODY_TOO_LARGE', `the body has more than ${bytesMax} bytes, which is the most this route takes`, {
    details: { bytesMax },
  })
}

function overloaded(): HourwheelError {
  return refuse('HW_OVERLOADED', 'too many large bodies are being received at once; nothing was done', {
    retryAfterMs: 1_000,
  })
}
