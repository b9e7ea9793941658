// Made seg-v1.seg, dead-v1.seg, manifest-v1.bin and snapshot-v1.snap, once: tests read those files for ever, so run this again
// only for a new format, with new names. Written after docs/format.md and independent of the sources on purpose.

import { writeFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { Packr } from 'msgpackr'

const packr = new Packr({ useRecords: false })
const hourMs = 3_600_000
const u16 = (value) => Buffer.from(new Uint16Array([value]).buffer)
const u32 = (value) => Buffer.from(new Uint32Array([value]).buffer)
const u64 = (value) => Buffer.from(new BigUint64Array([BigInt(value)]).buffer)

function header(magic, id, number, openCount) {
  const start = [Buffer.from(magic.padEnd(8, '\0'), 'latin1'), u32(1), u32(0), id, u64(number), u32(openCount), u32(0)]
  const bytes = Buffer.concat([...start, u64(0), u32(0)])
  return Buffer.concat([bytes, u32(crc32(bytes, crc32(id)))])
}

function segment(path, magic, id, number, entries) {
  const file = [header(magic, id, number, 3)]
  let size = 64
  const put = (bytes) => {
    file.push(bytes)
    size += bytes.length
  }
  const sealed = (bytes) => Buffer.concat([u32(crc32(bytes, crc32(u64(size), crc32(id)))), bytes])
  const lsnBase = entries[0].lsn
  const head = Buffer.concat([u64(lsnBase), u32(0)])
  put(Buffer.concat([head, u32(crc32(head, crc32(u64(64), crc32(id))))]))
  const hours = [...new Set(entries.map((entry) => entry.placeHour))]
  const hourRows = []
  const blockRows = []
  for (const hour of hours) {
    const tasks = entries.filter((entry) => entry.placeHour === hour)
    const firstAt = Math.max(tasks[0].fireAt - hour * hourMs, 0)
    const body = Buffer.concat(
      tasks.map((task) => {
        const d = task.lsn - lsnBase
        const values = [task.ordinal, d >= 0 ? 2 * d : -2 * d - 1, (hour + 1) * hourMs - 1 - task.fireAt, task.queue]
        values.push(task.payloadKind, task.payload, task.attempt, task.generation, task.extras ?? null)
        values.push(task.homeHour === hour ? null : task.homeHour)
        if (task.dead !== undefined) values.push(...task.dead)
        else while (values.length > 6 && (values.at(-1) === null || values.at(-1) === 0)) values.pop()
        return packr.pack(values)
      }),
    )
    put(sealed(Buffer.concat([u32(body.length), u32(tasks.length), u32(hour), u32(firstAt), body])))
    blockRows.push(u32(body.length), u32(tasks.length), u32(firstAt), u32(tasks[0].homeHour), u32(tasks[0].ordinal))
    const native = tasks.filter((task) => task.homeHour === hour).sort((a, b) => a.ordinal - b.ordinal)
    const foreign = tasks.filter((task) => task.homeHour !== hour)
    foreign.sort((a, b) => a.homeHour - b.homeHour || a.ordinal - b.ordinal)
    const row = (task) => Buffer.concat([u32(task.ordinal), u16(0), u16(task.queue)])
    if (native.length > 0) put(sealed(Buffer.concat(native.map(row))))
    if (foreign.length > 0)
      put(sealed(Buffer.concat(foreign.map((task) => Buffer.concat([u32(task.homeHour), row(task)])))))
    hourRows.push(u32(hour), u32(tasks.length), u32(1), u32(foreign.length))
    hourRows.push(u32(native.at(0)?.ordinal ?? 2 ** 32 - 1), u32(native.at(-1)?.ordinal ?? 0))
  }
  const indexOffset = size
  const index = Buffer.concat([...hourRows, ...blockRows])
  const indexCrc = crc32(index, crc32(u64(size), crc32(id)))
  put(index)
  const lsns = entries.map((entry) => entry.lsn)
  const totals = [u64(indexOffset), u64(entries.length), u64(Math.min(...lsns)), u64(Math.max(...lsns)), u64(size + 72)]
  const ends = [u32(hours.length), u32(hours.length), u32(hours[0]), u32(hours.at(-1)), u32(indexCrc)]
  const footer = Buffer.concat([Buffer.from('HWsegend'), ...totals, ...ends])
  const footerCrc = crc32(footer, crc32(u64(size), crc32(id)))
  put(Buffer.concat([footer, u32(footerCrc)]))
  writeFileSync(new URL(path, import.meta.url), Buffer.concat(file))
  console.log(path, { number, fileId: id.toString('hex'), bytes: size, footerCrc })
}

const hour = 500_000
const plain = { attempt: 0, generation: 0, extras: undefined, payload: Buffer.from('{"a":1}'), payloadKind: 1 }
const tasks = [
  {
    ...plain,
    placeHour: hour,
    homeHour: hour - 2,
    ordinal: 7,
    lsn: 900,
    queue: 1,
    fireAt: (hour - 2) * hourMs + 5,
    attempt: 2,
  },
  { ...plain, placeHour: hour, homeHour: hour, ordinal: 300, lsn: 899, queue: 2, fireAt: hour * hourMs },
  {
    ...plain,
    placeHour: hour,
    homeHour: hour,
    ordinal: 2,
    lsn: 70_000,
    queue: 1,
    fireAt: hour * hourMs + 1_800_000,
    generation: 1,
  },
  {
    ...plain,
    placeHour: hour,
    homeHour: hour,
    ordinal: 3,
    lsn: 5,
    queue: 500,
    fireAt: hour * hourMs + 3_599_999,
    extras: ['key'],
  },
  {
    ...plain,
    placeHour: hour + 9,
    homeHour: hour + 9,
    ordinal: 4_000_000_000,
    lsn: 6_000_000_000,
    queue: 0,
    fireAt: (hour + 9) * hourMs + 60_000,
    payloadKind: 2,
    payload: Buffer.alloc(300, 0xe5),
  },
]
segment('seg-v1.seg', 'HWseg', Buffer.from('202122232425262728292a2b2c2d2e2f', 'hex'), 12, tasks)
const dead = [3, 5].map((reason) => ({
  ...plain,
  placeHour: hour,
  homeHour: hour - (reason === 5 ? 1 : 0),
  ordinal: 10 + reason,
  lsn: 40 + reason,
  queue: reason,
  fireAt: hour * hourMs + reason,
  attempt: reason === 5 ? 10 : 0,
  dead: [reason, 1_800_000_000_000 + reason, reason === 5 ? 'no reply: ü' : ''],
}))
segment('dead-v1.seg', 'HWdead', Buffer.from('303132333435363738393a3b3c3d3e3f', 'hex'), 13, dead)

const body = packr.pack([
  77,
  4242,
  3,
  1_800_000_000_123,
  1,
  15,
  [
    [8, 'wal-2-8.log', '10'.repeat(16), 1000, 1],
    [9, 'wal-3-9.log', '11'.repeat(16), 70_000, 0],
  ],
  [
    [0, 12, '12'.repeat(16), 5_000_000_000, 4_000_000_000, 500_000, 500_009, 5, 5, 6_000_000_000],
    [1, 13, '13'.repeat(16), 600, 1, 500_000, 500_000, 2, 43, 45],
  ],
  [14, '14'.repeat(16), 4096, 99, 6],
])
const manifestId = Buffer.concat([u32(4242), u32(3), u64(77)])
const bodyCrc = crc32(body, crc32(u32(body.length), crc32(manifestId)))
const manifest = Buffer.concat([header('HWmani', manifestId, 0, 3), u32(body.length), u32(bodyCrc), body])
writeFileSync(new URL('manifest-v1.bin', import.meta.url), manifest)

const id = Buffer.from('404142434445464748494a4b4c4d4e4f', 'hex')
const snapshot = [header('HWsnap', id, 14, 3)]
let size = 64
let crcs = 0
for (const [name, content] of [
  ['moved', 'abc'],
  ['dead', ''],
  ['moved', 'x'.repeat(300)],
]) {
  const rest = Buffer.concat([u32(name.length), u64(content.length), Buffer.from(name), Buffer.from(content)])
  const crc = u32(crc32(rest, crc32(u64(size), crc32(id))))
  crcs = crc32(crc, crcs)
  snapshot.push(crc, rest)
  size += 4 + rest.length
}
const end = Buffer.concat([Buffer.from('HWsnpend'), u64(size + 32), u32(3), u32(0), u32(crcs)])
const endCrc = crc32(end, crc32(u64(size), crc32(id)))
writeFileSync(new URL('snapshot-v1.snap', import.meta.url), Buffer.concat([...snapshot, end, u32(endCrc)]))
console.log('snapshot-v1.snap', {
  number: 14,
  fileId: id.toString('hex'),
  bytes: size + 32,
  footerCrc: endCrc,
  sections: 3,
})
