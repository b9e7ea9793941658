/** What the command line says to try after a failure: about tokens only where a token would help. */

import { expect, it } from 'vitest'
import { hintFor } from '../../src/cli/failures.ts'
import { refuse } from '../../src/model/errors.ts'

it('names a token where the scope of one is too small, and not where the Host is wrong', () => {
  expect(hintFor(refuse('HW_FORBIDDEN', 'this takes a token', { details: { scope: 'admin' } }))).toContain(
    '--token-file',
  )
  expect(hintFor(refuse('HW_FORBIDDEN', 'the Host of the request is not one of this daemon'))).toBeUndefined()
})

it('names the variable for certificates of an own authority', () => {
  const unreachable = (why: string): string | undefined =>
    hintFor(refuse('HW_UNREACHABLE', `cannot be reached: ${why}`))
  expect(unreachable('self-signed certificate')).toContain('NODE_EXTRA_CA_CERTS')
  expect(unreachable('connect ECONNREFUSED')).toContain('hourwheel serve')
})
