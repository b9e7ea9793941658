/** Takes the last screen of the main job, run on a terminal of its own, into README.md. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { ensureBuilt } from './build.mjs'
import { mainJob, root } from './places.mjs'

const begin = '<!-- recording of npm start, by scripts/record.mjs -->'
const end = '<!-- end of the recording -->'

export async function record(seconds) {
  await ensureBuilt()
  const directory = mkdtempSync(join(tmpdir(), 'hourwheel-record-'))
  try {
    const job = `stty cols 100 rows 45; exec '${process.execPath}' '${mainJob}' --dir '${directory}' --for ${seconds}`
    const { stdout } = spawnSync('script', ['-qec', job, '/dev/null'], {
      encoding: 'utf8',
      env: { ...process.env, TERM: 'xterm', NO_COLOR: '1' },
      maxBuffer: 64 << 20,
    })
    // Each screen begins with the cursor at home; the last one is followed by what is said at the end.
    const screens = stdout.split('\u001b[H')
    const last = screens.at(-1)?.split('\u001b[J')[0] ?? ''
    const lines = stripVTControlCharacters(last)
      .replaceAll(directory, './data')
      .split('\n')
      .map((line) => line.trimEnd())
    if (!lines[0]?.startsWith('hourwheel')) throw new Error(`no screen was seen:\n${stdout}`)
    const readme = join(root, 'README.md')
    const text = readFileSync(readme, 'utf8')
    const [from, to] = [text.indexOf(begin), text.indexOf(end)]
    if (from === -1 || to < from) throw new Error(`README.md has no place for it: ${begin} and ${end}`)
    const block = `${begin}\n\n\`\`\`text\n${lines.join('\n').trimEnd()}\n\`\`\`\n\n`
    writeFileSync(readme, text.slice(0, from) + block + text.slice(to))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
