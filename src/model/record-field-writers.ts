/** Writes the fields that records share, and throws on what a reader would refuse. There must be room: `checkRoom`. */

import { writeFloat64, writeUint16, writeUint32 } from './msgpack.ts'
import { hourLimit } from './units.ts'

export function writeRef(into: Buffer, at: number, homeHour: number, ordinal: number, queue: number): number {
  checkRef(homeHour, ordinal, queue)
  into[at] = 0xce
  writeUint32(into, at + 1, homeHour)
  into[at + 5] = 0xce
  writeUint32(into, at + 6, ordinal)
  return writeQueueNumber(into, at + 10, queue)
}

export function writeQueueNumber(into: Buffer, at: number, queue: number): number {
  if ((queue & 0xffff) !== queue) throw new RangeError(`queue ${queue} is out of range`)
  into[at] = 0xcd
  writeUint16(into, at + 1, queue)
  return at + 3
}

export function writeHour(into: Buffer, at: number, hour: number): number {
  if ((hour & (hourLimit - 1)) !== hour) throw new RangeError(`hour ${hour} is out of range`)
  into[at] = 0xce
  writeUint32(into, at + 1, hour)
  return at + 5
}

export function writeWallMs(into: Buffer, at: number, wallMs: number): number {
  if (!Number.isSafeInteger(wallMs)) throw new RangeError(`a clock of ${wallMs} ms is not whole`)
  return writeFloat64(into, at, wallMs)
}

export function checkRef(homeHour: number, ordinal: number, queue: number): void {
  const isHour = (homeHour & (hourLimit - 1)) === homeHour
  if (isHour && ordinal >>> 0 === ordinal && (queue & 0xffff) === queue) return
  throw new RangeError(`task ${homeHour}:${ordinal} of queue ${queue} is out of range`)
}

export function checkRoom(into: Buffer, at: number, bytesMax: number): void {
  if (!(at >= 0 && at + bytesMax <= into.length)) throw new RangeError(`no room for ${bytesMax} bytes at ${at}`)
}
