#!/bin/sh
# hourwheel with nothing but curl: schedule, once only by key, look, move, cancel, many at once, and work on a queue.
#
#     sh curl.sh ./data/hourwheel.sock
set -eu

socket=$1
type=application/json
call() {
  method=$1 path=$2
  shift 2
  curl --silent --show-error --fail-with-body --unix-socket "$socket" -X "$method" "http://localhost$path" \
    --write-out '\n' -H "content-type: $type" "$@"
}
# The value of a text field of the JSON on standard input, good enough for answers of one line.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

# Idempotent: the key is in the path, and the second call finds the task of the first.
call PUT /v1/queues/curl/tasks/invoice-1 -d '{"delay":"1h","payload":{"invoice":1}}'
call PUT /v1/queues/curl/tasks/invoice-1 -d '{"delay":"1h","payload":{"invoice":1}}'

# Move it, if nobody has since: the generation is in the ETag of each answer.
call PATCH /v1/queues/curl/tasks/invoice-1 -H 'if-match: "0"' -d '{"delay":"2h"}'
call PATCH /v1/queues/curl/tasks/invoice-1 -H 'if-match: "0"' -d '{"delay":"3h"}' || echo 'not moved: it has changed'
call GET /v1/queues/curl/tasks/invoice-1
call DELETE /v1/queues/curl/tasks/invoice-1

# Many at once, all or none: one task a line.
printf '%s\n' '{"queue":"curl","delay":0,"payload":"first"}' '{"queue":"curl","delay":1,"payload":"second"}' |
  (type=application/x-ndjson && call POST /v1/tasks/batch --data-binary @-)

# Work: take a task, do it, say so. Until then nobody else gets it.
for _ in 1 2; do
  leased=$(call POST /v1/queues/curl/leases -d '{"wait":"10s"}')
  echo "working on $(echo "$leased" | field payload)"
  call POST /v1/leases/ack -d "{\"token\":\"$(echo "$leased" | field token)\"}"
done
