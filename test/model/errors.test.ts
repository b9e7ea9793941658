import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { atIndex, errorCatalogue, refuse, shown } from '../../src/model/errors.ts'
import type { ErrorCode, HourwheelError } from '../../src/model/errors.ts'
import { checkFields, isPlainObject } from '../../src/model/fields.ts'
import { refusalOf } from './refusal.ts'

const codes = Object.keys(errorCatalogue) as ErrorCode[]
const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')

/** The page's sections: code -> text with line breaks as spaces. */
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((section): [string, string] => {
      const end = section.indexOf('\n')
      return [section.slice(0, end).trim(), section.slice(end).replaceAll(/\s+/g, ' ')]
    }),
)

test('every code has a section on the page, with the words of the catalogue', () => {
  for (const code of codes) {
    const { summary, remedy } = errorCatalogue[code]
    expect(sections.get(code), code).toContain(` ${summary} **What to do.** ${remedy} `)
  }
})

test('every section of the page is a code, once', () => {
  expect([...sections.keys()].toSorted()).toEqual(codes.toSorted())
  expect(page.match(/^### /gm)).toHaveLength(codes.length)
})

test('the page names no code that does not exist', () => {
  for (const [code] of page.matchAll(/\bHW_[A-Z_]+/g)) expect(codes).toContain(code)
})

test('summaries and remedies are sentences', () => {
  for (const { summary, remedy } of Object.values(errorCatalogue)) {
    expect(summary).toMatch(/^[A-Z].*[.)]$/)
    expect(remedy).toMatch(/^[A-Z].*\.$/)
  }
})

test('an error carries what a caller acts on, and shows no empty fields', () => {
  const cause = new Error('EIO')
  const error = refuse('HW_OVERLOADED', 'too much', { retryAfterMs: 20, details: { waiting: 3 }, cause })
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'HourwheelError', code: 'HW_OVERLOADED', outcome: 'not done', retryAfterMs: 20 })
  expect(error.index).toBeUndefined()
  expect(error.cause).toBe(cause)
  expect(Object.keys(error)).toEqual(['code', 'outcome', 'details', 'retryAfterMs'])
  expect(inspect(refuse('HW_CLOSED', 'closed'))).not.toContain('undefined')
  expect('cause' in refuse('HW_CLOSED', 'closed')).toBe(false)
})

test('only two codes leave the outcome open, unless said otherwise', () => {
  const open = codes.filter((code) => refuse(code, '').outcome === 'unknown')
  expect(open).toEqual(['HW_OUTCOME_UNKNOWN', 'HW_INTERNAL'])
  expect(refuse('HW_INTERNAL', '', { outcome: 'not done' }).outcome).toBe('not done')
})

test('a refusal of a call has a stack; an overload has none and leaves the setting as it was', () => {
  const before = Error.stackTraceLimit
  expect(refuse('HW_INVALID_TIME', 'x').stack).toContain('errors.test.ts')
  expect(refuse('HW_OVERLOADED', 'x').stack).toBe('HourwheelError: x')
  expect(Error.stackTraceLimit).toBe(before)
})

test('an error of a batch says which task, keeps the rest, and leaves other errors alone', () => {
  const error = refuse('HW_INVALID_TIME', 'at: NaN is no instant', { details: { field: 'at' } })
  const copy = atIndex(error, 7) as HourwheelError
  expect(copy).toMatchObject({ code: 'HW_INVALID_TIME', index: 7, message: 'tasks[7]: at: NaN is no instant' })
  expect(copy.details).toEqual({ field: 'at' })
  expect(copy.stack).toContain('tasks[7]: at: NaN')
  const other = new TypeError('bug')
  expect(atIndex(other, 1)).toBe(other)
})

test('messages show any value in short and run none of its code', () => {
  const hostile = {
    toString(): never {
      throw new Error('ran')
    },
  }
  const table: [unknown, string][] = [
    ['a', '"a"'],
    ['x'.repeat(100), `"${'x'.repeat(60)}"...`],
    [1n, '1n'],
    [NaN, 'NaN'],
    [undefined, 'undefined'],
    [null, 'null'],
    [[], 'an array'],
    [hostile, 'an object'],
    [Symbol('s'), 'a symbol'],
    [(): void => {}, 'a function'],
  ]
  for (const [value, text] of table) expect(shown(value)).toBe(text)
})

test('options with a field that nobody reads are refused', () => {
  expect(checkFields({ a: 1 }, ['a', 'b'], 'options')).toEqual({ a: 1 })
  const error = refusalOf(() => checkFields({ bb: 1 }, ['a', 'b'], 'options'))
  expect(error).toMatchObject({ code: 'HW_UNKNOWN_FIELD', details: { field: 'bb' } })
  expect(error.message).toBe('options has no field "bb"; there are a, b')
  for (const value of [null, 1, 'x', [], undefined]) {
    expect(refusalOf(() => checkFields(value, ['a'], 'options')).code).toBe('HW_INVALID_OPTIONS')
  }
})

test('plain objects are told from instances', () => {
  class Point {}
  for (const value of [{}, Object.create(null), JSON.parse('{}')]) expect(isPlainObject(value)).toBe(true)
  for (const value of [new Point(), new Date(), new Map(), [], null, 'x', Object.create({})]) {
    expect(isPlainObject(value)).toBe(false)
  }
})
