/** A simulated machine for tests of the machine itself, with nothing random in its disk unless asked for. */

import type { DiskFile } from '../../src/platform/ports.ts'
import type { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { SimulatedMachine, type SimulatedMachineOptions } from '../../src/testing/simulated-platform.ts'

export function machineOf(options: Partial<SimulatedMachineOptions> = {}): SimulatedMachine {
  return new SimulatedMachine({ seed: 1, ...options, disk: { shortChance: 0, slowSyncChance: 0, ...options.disk } })
}

export function filled(value: number, count: number): Uint8Array {
  return new Uint8Array(count).fill(value)
}

/** A new file with its name and its content on disk. */
export async function syncedFile(disk: SimulatedDisk, path: string, content: Uint8Array): Promise<DiskFile> {
  const file = await disk.open(path, 'create')
  await file.write(content, 0)
  await file.sync()
  await disk.syncDirectory(path.slice(0, path.lastIndexOf('/')) || '/')
  return file
}
