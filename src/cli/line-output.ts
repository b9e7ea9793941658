/** Very many lines to stdout: in pieces, and no faster than they are read, so that memory stays small. */

const pieceLength = 1 << 16

export class LineOutput {
  #piece = ''

  /** A promise to wait for when the reader is slow. */
  line(text: string): Promise<void> | undefined {
    this.#piece += `${text}\n`
    return this.#piece.length < pieceLength ? undefined : this.flush()
  }

  flush(): Promise<void> | undefined {
    const piece = this.#piece
    this.#piece = ''
    if (piece === '' || process.stdout.write(piece)) return undefined
    return new Promise((resolve) => process.stdout.once('drain', resolve))
  }
}
