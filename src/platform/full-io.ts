/** Loops around short reads and writes, which every file system may return. The only callers of `read` and `write`. */

import type { DiskFile } from './ports.ts'

/** Reads until `into` is full or the file ends; resolves to the number of bytes read. */
export async function readFully(file: DiskFile, into: Uint8Array, at: number): Promise<number> {
  let done = 0
  while (done < into.length) {
    const count = await file.read(done === 0 ? into : into.subarray(done), at + done)
    if (count === 0) break
    done += count
  }
  return done
}

/** Writes all of `from`; a write that makes no progress is an error rather than an endless loop. */
export async function writeFully(file: DiskFile, from: Uint8Array, at: number): Promise<void> {
  let done = 0
  while (done < from.length) {
    const count = await file.write(done === 0 ? from : from.subarray(done), at + done)
    if (count <= 0) throw Object.assign(new Error(`write to ${file.path} made no progress`), { code: 'EIO' })
    done += count
  }
}

/** The whole of a file. Callers bound the size first. */
export async function readWhole(file: DiskFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(await file.size())
  const count = await readFully(file, bytes, 0)
  return count === bytes.length ? bytes : bytes.subarray(0, count)
}
