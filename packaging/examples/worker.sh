#!/bin/sh
# A worker: fsmonctl add /data --mode worker -- /path/to/worker.sh    (needs jq)

process() { # Yours: the path, and why. What it prints goes to `fsmonctl logs`; a failure means: try again.
    echo "$2: $1"
}

while IFS= read -r job; do
    run=$(printf '%s' "$job" | jq .run)
    path=$(printf '%s' "$job" | jq -r .path)
    trigger=$(printf '%s' "$job" | jq -r .trigger)
    if process "$path" "$trigger" >&2 </dev/null; then status=ok; else status=retry; fi
    printf '{"run":%s,"status":"%s"}\n' "$run" "$status"
done
