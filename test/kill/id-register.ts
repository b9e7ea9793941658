/** Every id that was durably given, in a bit each: ordinals within an hour are dense. */

import { decodeId } from '../../src/model/ids.ts'

export class IdRegister {
  readonly #hours = new Map<string, Uint8Array>()

  /** False when it was given before, or is no id. */
  add(id: string): boolean {
    const decoded = decodeId(id)
    if (decoded === undefined) return false
    const key = `${decoded.incarnation}/${decoded.homeHour}`
    const at = decoded.ordinal >>> 3
    let bits = this.#hours.get(key) ?? new Uint8Array(16)
    if (at >= bits.length) {
      const longer = new Uint8Array(2 * at)
      longer.set(bits)
      bits = longer
    }
    this.#hours.set(key, bits)
    const bit = 1 << (decoded.ordinal & 7)
    if ((bits[at]! & bit) !== 0) return false
    bits[at]! |= bit
    return true
  }
}
