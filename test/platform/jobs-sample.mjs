/** Jobs for the tests of threads. */

/** @type {import('../../src/platform/jobs.ts').Jobs} */
export const jobs = {
  async echo(_disk, _random, input) {
    return input
  },
  async writeAndRead(disk, random, input) {
    const { path, value } = /** @type {{ path: string, value: number }} */ (input)
    const file = await disk.open(path, 'create')
    await file.write(Uint8Array.of(value), 0)
    await file.sync()
    const bytes = new Uint8Array(1)
    await file.read(bytes, 0)
    await file.close()
    return { bytes, unit: random.unit() }
  },
  async big(_disk, _random, bytes) {
    return { block: new Uint8Array(Number(bytes)).fill(5), list: [new Uint32Array(10).fill(6)] }
  },
  async fillShared(_disk, _random, shared) {
    if (shared instanceof Uint8Array) shared.fill(8)
  },
  async fail() {
    throw Object.assign(new RangeError('no good'), { code: 'HW_TEST', details: { at: 3 }, tool: () => 1 })
  },
  async die() {
    process.exit(3)
  },
  async forever() {
    await new Promise(() => setInterval(() => undefined, 1000))
  },
}
