#!/usr/bin/env bash
# Tries the package in a real systemd: boots Debian in a container, installs, starts, hangs, crashes, upgrades, removes.
#
#   sudo tests/systemd/run.sh            builds two versions of each package from a debug build, then the checks, a line each
#   PROFILE=release sudo -E tests/systemd/run.sh   from a release build
#   DEBS=DIR sudo -E tests/systemd/run.sh   takes DIR/1.deb and DIR/2.deb (2 has the higher version), DIR/1.rpm and DIR/2.rpm
#   CACHE=DIR                            where the root file system is kept (default: ~/.cache/fsmond-systemd-test)
#
# Needs root, systemd-nspawn (systemd-container), mmdebstrap and, the first time, a Debian mirror. Ends with 0 only if every
# check held.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CACHE:-$HOME/.cache/fsmond-systemd-test}
work=$(mktemp -d) leader=
trap 'shut_down; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
. "$here/lib.sh"
. "$here/package.sh"
. "$here/rpm.sh"
. "$here/service.sh"
. "$here/limits.sh"
. "$here/users.sh"

[ "$(id -u)" = 0 ] || { echo "run.sh: only root can boot a container; use sudo" >&2; exit 2; }
for program in systemd-nspawn nsenter script pgrep; do
    command -v "$program" >/dev/null || { echo "run.sh: $program is missing" >&2; exit 2; }
done
debs || exit 2
rootfs || exit 2
boot

check 'the package installs, and the service runs' package_installs
check 'owners and modes are what they should be (93)' owners_and_modes
check 'systemctl shows how it goes' status_text
check 'a watch is made, its command runs as the user fsmond' watch_runs
check 'doctor finds all well under the unit, and its probe is heard of' doctor_well
check "status answers at once, ${STARTS:-100} starts with the socket of systemd (95)" answers_at_once "${STARTS:-100}"
check 'status answers at once, 20 starts with a socket of its own (95)' answers_at_once_alone 20
check 'a connection starts it' socket_activation
check 'fsmonctl stop leaves the stop to systemd' stop_is_refused
check 'a stranger is refused' stranger
check 'a daemon that hangs is restarted, nothing is lost (94)' watchdog
check 'a good config is reloaded' reload_good
check 'a bad config is refused, the old one stays, systemctl tells (57)' reload_bad
check 'a start with a bad config is not repeated' start_bad
check 'who is in a group has its role, who leaves it has none (63, 64)' group_members
check 'a crash loop ends, says why, and loses nothing (96)' crash_loop
check 'a stop under load is clean and loses nothing (55)' stop_under_load
check 'node and java start, the network is there, files are written' usual_commands
check 'a command that the unit forbids fails, doctor says which setting it is; a drop-in allows it (98)' forbidden_command
check 'strict.conf: it watches and logs, and writes nowhere; doctor says why a JIT does not start (98)' strict
check 'root.conf: it runs as root, and goes back' as_root
check 'an upgrade while files are written loses nothing (56)' upgrade_under_load
check 'a user has one of their own under the user manager' user_unit
check 'fsmond@USER serves that user' instance_unit
check 'remove keeps the state (97)' remove_keeps
check 'installed again it goes on where it ended (97)' reinstall_goes_on
check 'a planted link does not get its target an owner (92)' planted_link
check 'purge takes everything away (97)' purge_takes
check 'after a purge it installs as new (97)' install_as_new
if rpms_made; then
    check 'it is purged once more, for the .rpm' purge_takes
    check 'the .rpm installs, and the service runs' rpm_installs
    check 'an upgrade by rpm while files are written loses nothing, and keeps the config' rpm_upgrades
    check 'a removal by rpm keeps state and config; installed again it goes on' rpm_removes
else
    echo 'skipped the .rpm: there is none (cargo install --locked cargo-generate-rpm)'
fi
check 'nothing panicked' no_panic

echo "$((checks - failed)) of $checks checks held"
[ "$failed" = 0 ]
