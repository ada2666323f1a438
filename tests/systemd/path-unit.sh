#!/usr/bin/env bash
# What a path unit of systemd loses, in a real systemd: the row `systemd.path` of the README's table of losses.
#
#   sudo tests/systemd/path-unit.sh      prints the row's numbers; needs what run.sh needs, but no package
#   CACHE=DIR TIMES=5 sudo -E tests/systemd/path-unit.sh
#
# The same as the benchmark `during-run`: a file changes 30 times in 3 s, and the command, which takes a second, writes down
# what it saw when it began. And a file that is new while the unit is stopped. It judges nothing: the numbers are the result.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CACHE:-$HOME/.cache/fsmond-systemd-test} times=${TIMES:-5}
work=$(mktemp -d) leader=
trap 'shut_down; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
. "$here/lib.sh"

[ "$(id -u)" = 0 ] || { echo "path-unit.sh: only root can boot a container; use sudo" >&2; exit 2; }
for program in systemd-nspawn nsenter script pgrep; do
    command -v "$program" >/dev/null || { echo "path-unit.sh: $program is missing" >&2; exit 2; }
done
mkdir -p "$work/debs"
rootfs || exit 2
boot

# units DIRECTIVE PATH   a path unit with this directive, and the service that it starts.
units() {
    shell "systemctl stop job.path job.service 2>/dev/null || :; rm -rf /in /log; mkdir -p /in; echo begin >/in/file; : >/log
cat >/job <<'END'
#!/bin/sh
echo \"\$(cat /in/file) \$(ls /in | tr '\n' ',')\" >>/log.new
sleep 1
cat /log.new >>/log; rm /log.new
END
chmod +x /job
printf '[Service]\nType=oneshot\nExecStart=/job\n[Unit]\nStartLimitIntervalSec=0\n' >/etc/systemd/system/job.service
printf '[Path]\n$1=$2\n' >/etc/systemd/system/job.path
systemctl daemon-reload; systemctl start job.path"
}
# rest   until nothing has run for four seconds.
rest() { shell 'n=-1; while m=$(wc -l </log); [ "$m" != "$n" ] || [ -e /log.new ]; do n=$m; sleep 4; done'; }

# during_run DIRECTIVE   whether the last content was lost, how many runs there were, and how many saw what one saw before.
during_run() {
    units "$1" /in/file
    shell 'n=0; until [ -s /log ]; do n=$((n + 1)); echo "probe$n" >/in/file; sleep 1.5; done'
    rest
    shell ': >/log; for n in $(seq 30); do echo "change$n" >/in/file; sleep 0.1; done'
    rest
    shell 'runs=$(wc -l </log); kinds=$(cut -d" " -f1 /log | sort -u | wc -l)
grep -q "^change30 " /log && lost=0 || lost=1; echo "$lost $runs $((runs - kinds))"'
}

# while_stopped   whether a file that is new while the path unit is stopped has a run after its start.
while_stopped() {
    units PathChanged /in
    shell 'echo a >/in/a; for n in $(seq 50); do [ ! -s /log ] || break; sleep 0.1; done'
    rest
    shell 'systemctl stop job.path; : >/log; echo b >/in/b; systemctl start job.path'
    rest
    shell 'grep -q ",b," /log && echo 0 || echo 1'
}

for directive in PathChanged PathModified; do
    for n in $(seq "$times"); do
        read -r lost runs again < <(during_run $directive)
        echo "$directive, during-run $n: last content lost $lost, runs $runs, same content again $again"
    done
done
echo "PathChanged, a file new while it was stopped: lost $(while_stopped) of 1"
