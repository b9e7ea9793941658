/** Leases whose answer does not reach the one who asked are given back at once, and cost no attempt. */

import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { serve, temporary, until, type Served } from './rig.ts'

const directory = temporary()
let daemon: Served

beforeAll(async () => {
  daemon = await serve(['--dir', `${directory.path}/data`, '--drain', '0', '--listen', '127.0.0.1:0'])
})

afterAll(async () => {
  await daemon.end()
  directory.remove()
})

interface Task {
  readonly id: string
  readonly token: string
  readonly attempt: number
}

const schedule = async (queue: string): Promise<string> => {
  const { json } = await daemon.call('POST', '/v1/tasks', { body: { queue, delay: 0 } })
  return (json as { id: string }).id
}
const stateOf = async (id: string): Promise<string> => {
  const { json } = await daemon.call('GET', `/v1/tasks/${id}`)
  return (json as { state: string }).state
}
const lease = async (queue: string): Promise<readonly Task[]> => {
  const { json } = await daemon.call('POST', `/v1/queues/${queue}/leases`, { body: { wait: '10s' } })
  return (json as { tasks: readonly Task[] }).tasks
}
const leaseRequest = (queue: string): string => {
  const body = JSON.stringify({ lease: '1h', wait: '10s' })
  return `POST /v1/queues/${queue}/leases HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

it('when a client is killed before it has read it', async () => {
  const id = await schedule('killed')
  // It asks, and never looks at its socket again.
  const program = `require('node:net').connect(process.argv[1], function () {
    this.write(process.argv[2], () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
  })`
  const client = spawn(process.execPath, ['-e', program, daemon.socket, leaseRequest('killed')], { stdio: 'ignore' })
  await until(async () => (await stateOf(id)) === 'leased')
  client.kill('SIGKILL')
  expect(await lease('killed')).toMatchObject([{ id, attempt: 1 }])
})

it('when a connection breaks over TCP', async () => {
  const id = await schedule('broken')
  const socket = connect(daemon.port!, '127.0.0.1')
  socket.write(leaseRequest('broken'))
  await until(async () => (await stateOf(id)) === 'leased')
  socket.resetAndDestroy()
  expect(await lease('broken')).toMatchObject([{ id, attempt: 1 }])
})

it('when the client is gone as soon as it has asked', async () => {
  const id = await schedule('asked')
  const socket = connect(daemon.socket)
  socket.write(leaseRequest('asked'), () => socket.destroy())
  await new Promise((resolve) => socket.once('close', resolve))
  expect(await lease('asked')).toMatchObject([{ id, attempt: 1 }])
})

it('but stay where they are when the client has asked for something else since', async () => {
  const id = await schedule('working')
  const socket = connect(daemon.port!, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  socket.write(leaseRequest('working'))
  await until(() => text.includes(id))
  socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await until(() => text.includes('"ok"'))
  const token = /"token":"([^"]+)"/u.exec(text)![1]!
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.resetAndDestroy()
  await closed
  expect(await daemon.call('POST', '/v1/leases/ack', { body: { token } })).toMatchObject({ status: 200 })
})

it('but stay where they are when the client has read them and says goodbye', async () => {
  const id = await schedule('reads')
  const socket = connect(daemon.socket)
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  socket.write(leaseRequest('reads'))
  await until(() => text.includes(id))
  const token = /"token":"([^"]+)"/u.exec(text)![1]!
  socket.end()
  await new Promise((resolve) => socket.once('close', resolve))
  expect(await daemon.call('POST', '/v1/leases/ack', { body: { token } })).toMatchObject({ status: 200 })
})
