/** What node:http does at best: reads a body and answers with as many bytes as the daemon does, and nothing else. */

import { createServer } from 'node:http'

const [path = ''] = process.argv.slice(2)
const body = '{"id":"f7330000001q6r","fireAt":1795635562995,"outcome":"created","generation":0}'
const headers = ['content-type', 'application/json', 'content-length', String(body.length), 'etag', '"0"']

createServer((request, response) => {
  let bytes = 0
  request.on('data', (chunk: Buffer) => (bytes += chunk.length))
  request.on('end', () => {
    response.writeHead(bytes > 0 ? 201 : 400, headers)
    response.end(body)
  })
}).listen(path, () => process.stdout.write('listening\n'))
