/**
 * What may be true of one task, as far as it can be known from outside: a set of states, and the versions it may have.
 *
 * A call without an answer, or a handler that has returned, may or may not have changed the task; so a belief grows with
 * everything that is attempted and shrinks with every durable answer.
 */

export const state = { absent: 1, live: 2, dead: 4, succeeded: 8, cancelled: 16, other: 32, replaced: 64 } as const
export const endedStates: number = state.succeeded | state.cancelled | state.other

/** A fire time that the task may have. */
export interface Candidate {
  fromAt: number
  toAt: number
  /** Line of the journal that brought it up. */
  readonly seq: number
  /** Line of the journal at the answer of the call that brought it up. */
  closedSeq?: number | undefined
  /** The call that brought it up has no answer yet: it may still become true. */
  open: boolean
  /** It comes from the failure of this attempt. */
  readonly failedAttempt: number | undefined
}

export class Belief {
  states: number
  candidates: Candidate[]
  /** Attempts answered so far. */
  attempts: Set<number>
  generationMin: number
  generationMax: number
  /** Whether it has its key: a set of `named` (key-calls.ts), 0 without a key. */
  named: number

  constructor(
    states: number,
    candidates: Candidate[],
    attempts: Iterable<number>,
    generationMin: number,
    generationMax: number,
    named: number,
  ) {
    this.states = states
    this.candidates = candidates
    this.attempts = new Set(attempts)
    this.generationMin = generationMin
    this.generationMax = generationMax
    this.named = named
  }

  clone(): Belief {
    const { states, candidates, attempts, generationMin, generationMax, named } = this
    return new Belief(states, [...candidates], attempts, generationMin, generationMax, named)
  }

  /** Grows to allow all that `other` allows. */
  union(other: Belief): void {
    this.states |= other.states
    this.named |= other.named
    for (const candidate of other.candidates) if (!this.candidates.includes(candidate)) this.candidates.push(candidate)
    for (const attempt of other.attempts) this.attempts.add(attempt)
    this.generationMin = Math.min(this.generationMin, other.generationMin)
    this.generationMax = Math.max(this.generationMax, other.generationMax)
  }

  allows(states: number): boolean {
    return (this.states & states) !== 0
  }

  allowsFireAt(fireAt: number): boolean {
    return this.candidates.some(({ fromAt, toAt }) => fireAt >= fromAt && fireAt <= toAt)
  }

  allowsGeneration(generation: number): boolean {
    return generation >= this.generationMin && generation <= this.generationMax
  }

  /** Fire times that were settled before a line of the journal are history. */
  dropCandidatesBefore(seq: number): void {
    this.candidates = this.candidates.filter(
      (candidate) => (candidate.closedSeq ?? candidate.seq) >= seq || candidate.open,
    )
  }

  describe(): string {
    const names = Object.entries(state)
      .filter(([, bit]) => (this.states & bit) !== 0)
      .map(([name]) => name)
    const times = this.candidates.map(({ fromAt, toAt }) => (fromAt === toAt ? `${fromAt}` : `${fromAt}..${toAt}`))
    return (
      `{${names.join('|')}} fireAt ${times.join(' or ')}, attempts ${[...this.attempts].join(' or ')}, ` +
      `generation ${this.generationMin}..${this.generationMax}${['', ', named', ', unnamed', ', named or not'][this.named]}`
    )
  }
}
