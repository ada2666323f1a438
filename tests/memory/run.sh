#!/usr/bin/env bash
# A flood of events in little memory: a million writes to 100,000 files whose commands never end, with the daemon in a memory
# cgroup. It has to live, to have all files pending at the end, and to agree with the tree.
#
#   sudo tests/memory/run.sh             release binaries, 64 MiB; LIMIT=MIB EVENTS=N FILES=N change that
#   FSMON_BIN_DIR=DIR sudo -E tests/memory/run.sh
#
# Needs root, a memory controller (cgroup 1 or 2) and python3. The files lie in /dev/shm, the state on disk. Ends with 0 only if
# all of that held; prints how much the daemon took.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${FSMON_BIN_DIR:-$here/../../target/release} limit=${LIMIT:-64} events=${EVENTS:-1000000} files=${FILES:-100000}
folders=100
[ "$(id -u)" = 0 ] || { echo "run.sh: only root can limit memory; use sudo" >&2; exit 2; }
[ -x "$bin/fsmond" ] || { echo "run.sh: no $bin/fsmond; build it with: cargo build --release" >&2; exit 2; }

work=$(mktemp -d) tree=$(mktemp -d /dev/shm/fsmond-memory-XXXXXX) pid=
export FSMON_STATE_DIR=$work/state FSMON_SOCKET=$work/socket
if [ -d /sys/fs/cgroup/memory ]; then
    group=/sys/fs/cgroup/memory/fsmond-test-$$ most=memory.limit_in_bytes peak=memory.max_usage_in_bytes
else
    group=/sys/fs/cgroup/fsmond-test-$$ most=memory.max peak=memory.peak
fi
clean() {
    # The commands outlive a daemon that is killed.
    xargs -r kill -9 <"$group/cgroup.procs" 2>/dev/null
    for _ in $(seq 50); do rmdir "$group" 2>/dev/null && break; sleep 0.1; done
    rm -rf "$work" "$tree"
}
trap clean EXIT
trap 'exit 130' INT TERM
mkdir "$group" && echo $((limit << 20)) >"$group/$most" || { echo "run.sh: no memory controller here" >&2; exit 2; }

field() { python3 -c 'import json, sys; shown = json.load(sys.stdin); print(*(shown[k] for k in sys.argv[1:]))' "$@"; }
fail() { echo "FAILED  $*"; exit 1; }

for n in $(seq 0 $((folders - 1))); do mkdir "$tree/$n"; done
(echo "$BASHPID" >"$group/cgroup.procs" && exec "$bin/fsmond" --foreground >"$work/console" 2>&1) &
pid=$!
for _ in $(seq 100); do "$bin/fsmonctl" status >/dev/null 2>&1 && break; sleep 0.1; done
"$bin/fsmonctl" -q add "$tree" --name flood --concurrency 2 -- sh -c 'sleep 1000' || fail 'no watch could be added'

python3 - "$tree" "$events" "$files" "$folders" <<'E2' || fail 'the files could not be written'
import os, sys
tree, (events, files, folders) = sys.argv[1], map(int, sys.argv[2:])
for n in range(events):
    out = os.open(f"{tree}/{n % folders}/file-{n % files:06}.dat", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(out, b"x")
    os.close(out)
E2
for _ in $(seq 600); do
    kill -0 "$pid" 2>/dev/null || fail "it was killed at $limit MiB"
    shown=$("$bin/fsmonctl" --json show flood 2>/dev/null | field files pending state 2>/dev/null)
    [ "$shown" = "$files $files watching" ] && break
    sleep 0.2
done
[ "$shown" = "$files $files watching" ] || fail "files, pending and state are '$shown'"
"$bin/fsmonctl" verify >"$work/verify" || fail "$(cat "$work/verify")"
echo "$events events, $files files pending, at most $limit MiB: lives, nothing differs"
echo "$(sed -n 's/^VmHWM:[[:space:]]*/RSS at most /p' "/proc/$pid/status"), now $(sed -n 's/^VmRSS:[[:space:]]*//p' "/proc/$pid/status"); the group at most $(($(cat "$group/$peak") >> 20)) MiB with what is cached of its files"
