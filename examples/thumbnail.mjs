/**
 * A handler for worker threads: computes a picture of the Mandelbrot set and writes it as PNG to the directory that the
 * environment variable OUTBOX names. Named by the task: an attempt that is repeated writes the same file.
 */

import { writeFile } from 'node:fs/promises'
import { deflateSync } from 'node:zlib'

export default async function thumbnail(task) {
  const { image, x, y, zoom, size } = task.payload
  await writeFile(`${process.env.OUTBOX}/${image}.png`, png(mandelbrot(x, y, zoom, size), size))
}

function mandelbrot(centerX, centerY, zoom, size) {
  const pixels = Buffer.alloc(size * (size + 1))
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const cx = centerX + (column / size - 0.5) / zoom
      const cy = centerY + (row / size - 0.5) / zoom
      let x = 0
      let y = 0
      let steps = 0
      while (x * x + y * y < 4 && steps < 255) {
        const next = x * x - y * y + cx
        y = 2 * x * y + cy
        x = next
        steps++
      }
      pixels[row * (size + 1) + 1 + column] = 255 - steps
    }
  }
  return pixels
}

/** A grey picture as PNG. */
function png(pixels, size) {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(size, 4)
  header[8] = 8
  const chunks = [chunk('IHDR', header), chunk('IDAT', deflateSync(pixels)), chunk('IEND', Buffer.alloc(0))]
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks])
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(data.length, 0)
  body.copy(framed, 4)
  framed.writeUInt32BE(crc32(body), body.length + 4)
  return framed
}

function crc32(bytes) {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}
