/**
 * Tokens: who may do what. A file (or the environment) has one `<scope> <token>` a line; several tokens of a scope are valid at
 * once, so that they can be replaced one after the other. Only their hashes are kept in memory.
 *
 * A request's token is hashed and held against every known one without stopping at the first, so that how long it takes tells
 * nothing. Neither tokens nor parts of them get into logs or errors.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { refuse } from '../model/errors.ts'
import type { Scope } from '../protocol/routes.ts'

const scopes: readonly Scope[] = ['open', 'read', 'write', 'admin']
const tokenForm = /^[A-Za-z0-9._~+/=-]{16,512}$/u
const countMax = 100

interface Known {
  readonly hash: Buffer
  readonly rank: number
}

/** How far a scope goes: each includes those before it. */
export function rankOf(scope: Scope): number {
  return scopes.indexOf(scope)
}

export class Tokens {
  readonly #file: string | undefined
  readonly #text: string | undefined
  #known: readonly Known[] = []

  constructor(file: string | undefined, text: string | undefined) {
    this.#file = file
    this.#text = text
  }

  /** Whether tokens are asked for at all. */
  get areRequired(): boolean {
    return this.#file !== undefined || this.#text !== undefined
  }

  get count(): number {
    return this.#known.length
  }

  /** Reads them, again; when the new ones are not usable those known so far stay. Answers what is worth a warning. */
  async load(): Promise<string[]> {
    const warnings: string[] = []
    const known = this.#text === undefined ? [] : parseTokens(this.#text, 'HOURWHEEL_TOKENS')
    if (this.#file !== undefined) {
      let text: string
      try {
        text = await readFile(this.#file, 'utf8')
        if (((await stat(this.#file)).mode & 0o004) !== 0) {
          warnings.push(`everyone on this machine can read ${this.#file}; take that right away (chmod o-r)`)
        }
      } catch (cause) {
        throw refuse('HW_INVALID_CONFIG', `tokens cannot be read: ${(cause as Error).message}`, { cause })
      }
      known.push(...parseTokens(text, this.#file))
    }
    if (this.areRequired && known.length === 0) {
      throw refuse('HW_INVALID_CONFIG', `${this.#file ?? 'HOURWHEEL_TOKENS'} has no tokens: nobody could do anything`)
    }
    this.#known = known
    return warnings
  }

  /** How far the token of a request reaches: a rank, or -1 when it is none of ours. */
  rankOf(token: string): number {
    const hash = hashOf(token)
    let rank = -1
    for (const known of this.#known) {
      const isEqual = timingSafeEqual(known.hash, hash)
      rank = isEqual && known.rank > rank ? known.rank : rank
    }
    return rank
  }
}

function parseTokens(text: string, where: string): Known[] {
  const known: Known[] = []
  for (const [index, line] of text.split(/[\n,;]/u).entries()) {
    const words = line.trim().split(/\s+/u)
    if (words[0] === '' || words[0]!.startsWith('#')) continue
    const [scope = '', token = ''] = words
    const rank = scopes.indexOf(scope as Scope)
    if (rank < 1 || words.length !== 2 || !tokenForm.test(token)) {
      throw refuse(
        'HW_INVALID_CONFIG',
        `${where}, line ${index + 1}: write a scope (read, write or admin) and a token of 16 to 512 letters, digits or ._~+/=-, such as "write $(openssl rand -hex 32)"`,
      )
    }
    known.push({ hash: hashOf(token), rank })
  }
  if (known.length > countMax) throw refuse('HW_INVALID_CONFIG', `${where} has more than ${countMax} tokens`)
  return known
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
