/** Ids to text and back, against the obvious way with BigInt and base 32. The floor fills 14 cells of a typed array. */

import { decodeId, encodeId } from '../../src/model/ids.ts'
import type { ResultRow } from '../shared/results-file.ts'
import { compare } from './compare.ts'

export const name = 'ids'

const count = 1_000
const incarnation = 3
const hour = 500_000

function encodeWithBigInt(ofIncarnation: number, homeHour: number, ordinal: number): string {
  const bits = (BigInt(homeHour) << 50n) | (BigInt(ordinal) << 18n) | BigInt(ofIncarnation)
  return bits.toString(32).padStart(14, '0')
}

function decodeWithBigInt(text: string): { incarnation: number; homeHour: number; ordinal: number } {
  let bits = 0n
  for (const character of text) bits = (bits << 5n) | BigInt(Number.parseInt(character, 32))
  const ordinal = Number((bits >> 18n) & 0xffff_ffffn)
  return { incarnation: Number(bits & 0x3_ffffn), homeHour: Number(bits >> 50n), ordinal }
}

export function run(options: { tiny: boolean }): Promise<ResultRow[]> {
  const ordinals = Uint32Array.from({ length: count }, (_, index) => Math.imul(index, 2_654_435_761))
  const texts = Array.from(ordinals, (ordinal) => encodeId(incarnation, hour, ordinal))
  const naiveTexts = Array.from(ordinals, (ordinal) => encodeWithBigInt(incarnation, hour, ordinal))
  const cells = new Uint8Array(14)
  const contenders = [
    {
      operation: 'encode',
      subject: 'encodeId',
      run: () => ordinals.reduce((sum, ordinal) => sum + encodeId(incarnation, hour, ordinal).length, 0),
    },
    {
      operation: 'encode',
      subject: 'BigInt and toString(32)',
      run: () => ordinals.reduce((sum, ordinal) => sum + encodeWithBigInt(incarnation, hour, ordinal).length, 0),
    },
    {
      operation: 'encode',
      subject: '(14 cells in a loop)',
      run() {
        let sum = 0
        for (let index = 0; index < count; index++) {
          const ordinal = ordinals[index]!
          for (let at = 0; at < cells.length; at++) cells[at] = ordinal >>> at
          sum += cells[13]!
        }
        return sum
      },
    },
    {
      operation: 'decode',
      subject: 'decodeId',
      run() {
        let sum = 0
        for (let index = 0; index < count; index++) sum += decodeId(texts[index])!.ordinal
        return sum
      },
    },
    {
      operation: 'decode',
      subject: 'BigInt and parseInt',
      run() {
        let sum = 0
        for (let index = 0; index < count; index++) sum += decodeWithBigInt(naiveTexts[index]!).ordinal
        return sum
      },
    },
    {
      operation: 'decode',
      subject: '(14 characters in a loop)',
      run() {
        let sum = 0
        for (let index = 0; index < count; index++) {
          const text = texts[index]!
          for (let at = 0; at < text.length; at++) sum += text.charCodeAt(at)
        }
        return sum
      },
    },
  ]
  return compare({ name, title: 'ids of 14 characters', operationsPerRun: count, contenders }, options)
}
