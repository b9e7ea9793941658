/** Where webhooks may go: names, ports, and above all addresses, in every disguise. */

import { describe, expect, test } from 'vitest'
import { isPublicAddress, plainAddress } from '../../src/daemon/webhooks/addresses.ts'
import { AllowList } from '../../src/daemon/webhooks/allow-list.ts'

describe('addresses that are not public', () => {
  test.each([
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '100.100.100.200',
    '127.0.0.1',
    '127.255.255.254',
    '168.63.129.16',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.192',
    '192.168.1.1',
    '198.18.0.1',
    '203.0.113.9',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '0:0:0:0:0:ffff:10.0.0.1',
    '::127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '3fff::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    '[::1]',
    'localhost',
    '',
  ])('%s', (address) => {
    expect(isPublicAddress(address)).toBe(false)
  })
})

test.each([
  '1.1.1.1',
  '9.255.255.255',
  '172.32.0.1',
  '192.0.1.1',
  '223.255.255.255',
  '2606:4700::1111',
  '::ffff:1.1.1.1',
])('%s is public', (address) => {
  expect(isPublicAddress(address)).toBe(true)
})

test('an address has one text', () => {
  expect(plainAddress('::FFFF:7F00:0001')).toBe('127.0.0.1')
  expect(plainAddress('[2606:4700:0:0:0:0:0:1111]')).toBe('2606:4700::1111')
})

function isAllowed(list: AllowList, url: string): boolean {
  try {
    list.checkUrl(new URL(url))
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: 'HW_WEBHOOK_REFUSED' })
    return false
  }
}

test.each([
  ['hooks.example.com', 'https://hooks.example.com/a', true],
  ['hooks.example.com', 'http://HOOKS.example.com./a', true],
  ['hooks.example.com', 'https://hooks.example.com:8443/', false],
  ['hooks.example.com:8443', 'https://hooks.example.com:8443/', true],
  ['hooks.example.com:8443', 'https://hooks.example.com/', false],
  ['hooks.example.com:*', 'http://hooks.example.com:6379/', true],
  ['hooks.example.com', 'https://example.com/', false],
  ['hooks.example.com', 'https://hooks.example.com.evil.net/', false],
  ['hooks.example.com', 'https://evilhooks.example.com/', false],
  ['*.example.com', 'https://a.b.example.com/', true],
  ['*.example.com', 'https://example.com/', false],
  ['*.example.com', 'https://evilexample.com/', false],
  ['*', 'https://anything.net/', true],
  ['*', 'https://1.1.1.1/', true],
  ['*', 'http://127.0.0.1/', false],
  ['*', 'http://localhost/', false],
  ['*', 'http://[::1]/', false],
  ['*:*', 'http://0x7f.1:8080/', false],
  ['*:*', 'http://2130706433/', false],
  ['*:*', 'http://[::ffff:169.254.169.254]/latest/', false],
  ['localhost', 'http://localhost/', true],
  ['localhost:3000', 'http://localhost:3000/', true],
  ['localhost', 'http://127.0.0.1/', false],
  ['127.0.0.1:3000', 'http://127.0.0.1:3000/', true],
  ['127.0.0.1:3000', 'http://[::ffff:127.0.0.1]:3000/', true],
  ['127.0.0.1:3000', 'http://127.0.0.2:3000/', false],
  ['10.0.0.0/8:*', 'http://10.9.8.7:9000/', true],
  ['10.0.0.0/8:*', 'http://11.0.0.1:9000/', false],
  ['[fd00::1]:80', 'http://[fd00:0:0::1]/', true],
  ['fd00::/8', 'http://[fd12::1]/', true],
  ['1.1.1.1', 'https://1.1.1.1/', true],
  ['1.1.1.1', 'https://1.0.0.1/', false],
])('%s: %s is %s', (entry, url, allowed) => {
  expect(isAllowed(new AllowList([entry]), url)).toBe(allowed)
})

test('without entries nothing is allowed', () => {
  expect(isAllowed(new AllowList([]), 'https://example.com/')).toBe(false)
})

test('a listed name does not open the addresses it may point at; listed addresses do', () => {
  const byName = new AllowList(['hooks.example.com'])
  expect(byName.allowsAddress('93.184.216.34', 'hooks.example.com', 443)).toBe(true)
  for (const address of ['127.0.0.1', '169.254.169.254', '::1', '::ffff:10.0.0.1', '64:ff9b::a00:1']) {
    expect(byName.allowsAddress(address, 'hooks.example.com', 443)).toBe(false)
  }
  const both = new AllowList(['app.internal', '10.1.0.0/16'])
  expect(both.allowsAddress('10.1.2.3', 'app.internal', 443)).toBe(true)
  expect(both.allowsAddress('10.2.2.3', 'app.internal', 443)).toBe(false)
  const local = new AllowList(['localhost:3000'])
  expect(local.allowsAddress('127.0.0.1', 'localhost', 3000)).toBe(true)
  expect(local.allowsAddress('::1', 'localhost', 3000)).toBe(true)
  expect(local.allowsAddress('10.0.0.1', 'localhost', 3000)).toBe(false)
  expect(local.allowsAddress('127.0.0.1', 'localhost', 22)).toBe(false)
})

test.each([
  '',
  ':80',
  'a b',
  'http://example.com',
  'example.com/path',
  '*.',
  'a.*.com',
  '10.0.0.0/33',
  '1.2.3',
  'h:0',
  'h:65536',
  '256.1.1.1',
])("'%s' is no entry", (entry) => {
  expect(() => new AllowList([entry])).toThrow(expect.objectContaining({ code: 'HW_INVALID_OPTIONS' }))
})
