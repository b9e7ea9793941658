/**
 * Looks through a msgpack body before a decoder does: whether it is exactly one value, how deep it goes, and whether each array
 * and map has as many bytes left as it promises items. Without that, ten bytes make a decoder allocate gigabytes.
 *
 * Extension types are refused: decoders give them meanings of their own. Allocates nothing but one small array.
 */

import { refuse, type HourwheelError } from '../model/errors.ts'

/** Deeper than any payload may be, with the levels of a batch around it. */
const depthMax = 104

export function checkMsgpack(bytes: Uint8Array): void {
  /** Values that are still to come, by level. */
  const left = new Float64Array(depthMax + 1)
  left[0] = 1
  let depth = 0
  let at = 0
  const end = bytes.length
  const lengthAt = (size: number): number => {
    if (at + size > end) throw cutShort(at)
    let length = 0
    for (let i = 0; i < size; i++) length = length * 256 + bytes[at + i]!
    at += size
    return length
  }
  for (;;) {
    while (left[depth] === 0) {
      if (depth-- > 0) continue
      if (at === end) return
      throw malformed(`bytes are left over at ${at}`)
    }
    left[depth]!--
    if (at >= end) throw cutShort(at)
    const first = bytes[at++]!
    let children = -1
    let size = 0
    if (first < 0x80 || first >= 0xe0) size = 0
    else if (first < 0x90) children = (first & 15) * 2
    else if (first < 0xa0) children = first & 15
    else if (first < 0xc0) size = first & 31
    else {
      switch (first) {
        case 0xc0:
        case 0xc2:
        case 0xc3:
          break
        case 0xc4:
        case 0xd9:
          size = lengthAt(1)
          break
        case 0xc5:
        case 0xda:
          size = lengthAt(2)
          break
        case 0xc6:
        case 0xdb:
          size = lengthAt(4)
          break
        case 0xcc:
        case 0xd0:
          size = 1
          break
        case 0xcd:
        case 0xd1:
          size = 2
          break
        case 0xca:
        case 0xce:
        case 0xd2:
          size = 4
          break
        case 0xcb:
        case 0xcf:
        case 0xd3:
          size = 8
          break
        case 0xdc:
          children = lengthAt(2)
          break
        case 0xdd:
          children = lengthAt(4)
          break
        case 0xde:
          children = lengthAt(2) * 2
          break
        case 0xdf:
          children = lengthAt(4) * 2
          break
        default:
          throw malformed(`byte 0x${first.toString(16)} at ${at - 1} begins an extension type or nothing`)
      }
    }
    if (children < 0) {
      at += size
      if (at > end) throw cutShort(at)
      continue
    }
    if (children > end - at) throw cutShort(at)
    if (depth === depthMax) throw malformed(`it is nested deeper than ${depthMax} levels`)
    left[++depth] = children
  }
}

function cutShort(at: number): HourwheelError {
  return malformed(`it ends before the value at ${at} does`)
}

function malformed(why: string): HourwheelError {
  return refuse('HW_MALFORMED_BODY', `the body is not msgpack: ${why}`)
}
