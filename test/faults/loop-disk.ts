/** A file system of its own on a loop device, whose power can be cut: after that nothing that was not synced is there. */

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'

export type FileSystem = 'ext4' | 'xfs'

/** xfs takes no less than 300 MB; the image is sparse. */
const imageBytes: Readonly<Record<FileSystem, number>> = { ext4: 96 << 20, xfs: 320 << 20 }
const neededTools: Readonly<Record<FileSystem, readonly string[]>> = {
  ext4: ['losetup', 'mkfs.ext4', 'xfs_io'],
  xfs: ['losetup', 'mkfs.xfs', 'xfs_io'],
}

export function whyNoPowerCuts(kind: FileSystem): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it takes Linux and root'
  const missing = neededTools[kind].filter((tool) => spawnSync('which', [tool]).status !== 0)
  return missing.length === 0 ? undefined : `${missing.join(', ')} missing (e2fsprogs, xfsprogs)`
}

export class LoopDisk {
  readonly mountPoint: string
  readonly #device: string
  readonly #image: string
  #isMounted = false
  readonly #removeAtExit: () => void

  constructor(kind: FileSystem, base: string) {
    this.#image = `${base}.img`
    this.mountPoint = `${base}.mnt`
    fs.writeFileSync(this.#image, '')
    fs.truncateSync(this.#image, imageBytes[kind])
    run(`mkfs.${kind}`, ...(kind === 'ext4' ? ['-q', '-F'] : ['-q', '-f']), this.#image)
    fs.mkdirSync(this.mountPoint)
    this.#device = run('losetup', '--find', '--show', this.#image).trim()
    this.#removeAtExit = () => this.remove()
    process.on('exit', this.#removeAtExit)
    this.mount()
  }

  mount(): void {
    for (let tries = 1; ; tries++) {
      run('mount', this.#device, this.mountPoint)
      this.#isMounted = true
      if (this.#isAlive() || tries === 100) return
      // A mount namespace that was made meanwhile still holds the file system that was shut down.
      this.unmount()
      pause(100)
    }
  }

  #isAlive(): boolean {
    const probe = `${this.mountPoint}/probe`
    try {
      fs.writeFileSync(probe, 'alive')
      fs.unlinkSync(probe)
      return true
    } catch {
      return false
    }
  }

  /** As if the power went. `flush`: the file system's own journal gets to the disk first. */
  cut(flush: boolean): void {
    run('xfs_io', '-x', '-c', flush ? 'shutdown -f' : 'shutdown', this.mountPoint)
  }

  unmount(): void {
    // The last process that had files open may still be on its way out.
    for (let tries = 1; ; tries++) {
      const tried = spawnSync('umount', [this.mountPoint], { encoding: 'utf8' })
      if (tried.status === 0) break
      if (tries === 100) throw new Error(`umount ${this.mountPoint}: ${tried.stderr}`)
      pause(50)
    }
    this.#isMounted = false
  }

  remove(): void {
    process.off('exit', this.#removeAtExit)
    if (this.#isMounted) spawnSync('umount', ['--lazy', this.mountPoint])
    spawnSync('losetup', ['--detach', this.#device])
    fs.rmSync(this.#image, { force: true })
    fs.rmSync(this.mountPoint, { recursive: true, force: true })
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

function run(command: string, ...args: string[]): string {
  const done = spawnSync(command, args, { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.error?.message ?? done.stderr}`)
  return done.stdout
}
