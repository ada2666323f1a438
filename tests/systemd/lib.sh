# What the checks of run.sh are made of: a booted systemd in a container, and a line for each check.
# Sourced, never run.

failed=0 checks=0

# check WHAT FUNCTION...   runs it, in a shell of its own that ends at the first thing that fails, and tells how it ended.
check() {
    local what=$1 began=$SECONDS
    shift
    checks=$((checks + 1))
    # In the background, since what is asked by `if` itself would go on after a failure.
    (set -e; "$@") >"$work/said" 2>&1 &
    if wait $!; then
        printf 'ok      %s (%s s)%s\n' "$what" $((SECONDS - began)) "$(sed -n 's/^note: /: /p' "$work/said" | tail -1)"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$what"
        tail -n 30 "$work/said" | sed 's/^/        /'
    fi
}

# Runs in the container, as root.
inside() { nsenter -t "$leader" -a -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"; }
# Runs a script in the container.
shell() { inside bash -ec "$*"; }
# As a user of the container, with the environment of a login.
as() { local user=$1; shift; inside runuser -u "$user" -- env XDG_RUNTIME_DIR="/run/user/$(inside id -u "$user")" "$@"; }

# until_so SECONDS COMMAND...   waits for it to hold, with a limit.
until_so() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || { echo "did not come true: $*"; return 1; }
        sleep 0.1
    done
}

main_pid() { inside systemctl show -P MainPID "${1:-fsmond.service}"; }
property() { inside systemctl show -P "$2" "$1"; }
# gone PATH...   nothing is there.
gone() { for path; do refused inside test -e "$path" || return 1; done; }
there() { for path; do inside test -e "$path" || { echo "missing: $path"; return 1; }; done; }
# ends_with CODE COMMAND...   the command must end with this code; refused COMMAND...   it must fail.
ends_with() { local code=0 expected=$1; shift; "$@" || code=$?; [ "$code" = "$expected" ] || { echo "exit code $code: $*"; return 1; }; }
refused() { if "$@"; then echo "it was not refused: $*"; return 1; fi; }
# drop_in NAME LINE...   settings for the service, for one check.
drop_in() {
    local name=$1
    shift
    shell "mkdir -p /etc/systemd/system/fsmond.service.d"
    printf '%s\n' '[Service]' "$@" | inside tee "/etc/systemd/system/fsmond.service.d/$name.conf" >/dev/null
    inside systemctl daemon-reload
}
no_drop_ins() { shell "rm -rf /etc/systemd/system/fsmond.service.d; systemctl daemon-reload"; }
restart() { shell "systemctl reset-failed fsmond.service fsmond.socket 2>/dev/null || :; systemctl stop fsmond.service fsmond.socket; systemctl start fsmond.service"; }

# The root file system: made once, kept in the cache, never written to (each boot has a layer of its own).
rootfs() {
    if ! [ -e "$cache/rootfs/etc/os-release" ]; then
        mkdir -p "$cache"
        [ -e "$cache/rootfs.tar" ] ||
            mmdebstrap --quiet --variant=minbase bookworm "$cache/rootfs.tar" \
                --include=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,procps,curl,nodejs,default-jre-headless,rpm
        rm -rf "$cache/unpacking"
        mkdir "$cache/unpacking"
        tar -C "$cache/unpacking" -xf "$cache/rootfs.tar"
        mv "$cache/unpacking" "$cache/rootfs"
    fi
}

# Boots it. systemd-nspawn wants a terminal, and this machine's own PID 1 need not be systemd.
boot() {
    local name="fsmond-test-$$" spawn
    setsid script -qfc "systemd-nspawn -M $name --register=no --keep-unit -D $cache/rootfs --volatile=overlay \
        --private-network --bind-ro=$work/debs:/debs --boot" "$work/console" </dev/null >/dev/null 2>&1 &
    for _ in $(seq 300); do
        spawn=$(pgrep -f "^systemd-nspawn -M $name " | head -1) && leader=$(pgrep -P "$spawn" | tail -1) &&
            case "$(inside systemctl is-system-running 2>/dev/null)" in running | degraded) leader_root=/proc/$leader/root; return ;; esac
        sleep 0.2
    done
    echo "systemd did not boot:" && tail -20 "$work/console" && exit 1
}

# The container's PID 1 outlives systemd-nspawn, so it is the one to be ended.
shut_down() {
    [ -n "${leader:-}" ] || return 0
    inside systemctl poweroff 2>/dev/null || :
    for _ in $(seq 100); do kill -0 "$leader" 2>/dev/null || return 0; sleep 0.1; done
    kill -9 "$leader" 2>/dev/null || :
}
