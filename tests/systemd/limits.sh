# Checks of the limits: what commands may under the unit as shipped and under its drop-ins. Sourced by run.sh.

# runs_as_told NAME SCRIPT   a command that runs SCRIPT for a file of /srv/NAME; ends with its result.
told() {
    new_folder "$1"
    inside fsmonctl add "/srv/$1" --name "$1" --retries 0 -- sh -c "$2" sh '{path}'
    shell "echo x > /srv/$1/file"
    until_so 60 has_run "$1"
    inside fsmonctl runs "$1"
}
has_run() { shell "fsmonctl runs $1 --json | grep -Eq '\"status\": ?\"(ok|failed)\"'"; }
run_of() { shell "fsmonctl runs $1 -n 1 --json" | grep -o '"run": *[0-9]*' | grep -o '[0-9]*'; }
went_well() { shell "fsmonctl runs $1 -n 1 --json | grep -Eq '\"status\": ?\"ok\"'" || { inside fsmonctl logs "$(run_of "$1")"; return 1; }; }

# blamed NAME PATTERN   its command failed, and doctor's cure names the setting.
blamed() {
    refused went_well "$1"
    refused inside fsmonctl doctor >"$work/doctor"
    grep -E -A 1 "^bad +run +$1: " "$work/doctor" | grep -F -e "$2"
}

usual_commands() {
    told usual 'set -ex
        node -e "for (let i = 0, s = 0; i < 1e6; i++) s += i * i"
        java -version
        # Nobody listens there: refused by the network, not by the unit.
        code=0; curl -sS http://127.0.0.1:9/ || code=$?; [ $code = 7 ]
        echo x > /tmp/fsmond-was-here
        nice -n 5 true'
    went_well usual
    shell '[ -e /tmp/fsmond-was-here ]'
}

forbidden_command() {
    shell 'mkdir -p /usr/local/out && chown fsmond: /usr/local/out'
    told forbidden 'cp "$1" /usr/local/out/'
    refused went_well forbidden
    inside fsmonctl logs "$(run_of forbidden)" | grep 'Read-only file system'
    blamed forbidden 'ReadWritePaths=/usr/local/out (systemctl edit fsmond.service'
    drop_in allowed ReadWritePaths=/usr/local/out
    restart
    inside fsmonctl remove forbidden
    told forbidden 'cp "$1" /usr/local/out/'
    went_well forbidden
    inside fsmonctl doctor
    inside fsmonctl remove forbidden
    no_drop_ins
    restart
}

strict() {
    shell 'install -D -m 644 /usr/share/doc/fsmond/examples/strict.conf /etc/systemd/system/fsmond.service.d/strict.conf; systemctl daemon-reload'
    restart
    inside fsmonctl status
    shell 'echo x > /srv/in/strictly'
    until_so 30 shell 'fsmonctl tail in -n 20 --no-follow | grep -q /srv/in/strictly'
    told stricter 'echo x > /srv/stricter/written'
    blamed stricter 'ReadWritePaths=/srv/stricter'
    told compiled 'node -e 1'
    blamed compiled 'MemoryDenyWriteExecute=no'
    told compiled2 'java -version'
    blamed compiled2 'MemoryDenyWriteExecute=no'
    inside fsmonctl remove stricter compiled compiled2
    no_drop_ins
    restart
}

as_root() {
    shell 'install -D -m 644 /usr/share/doc/fsmond/examples/root.conf /etc/systemd/system/fsmond.service.d/root.conf; systemctl daemon-reload'
    restart
    [ "$(inside ps -o user= -p "$(main_pid)")" = root ]
    # Root runs nothing on a folder that others can write, so this one is root's.
    shell 'mkdir -p /srv/rooted'
    inside fsmonctl add /srv/rooted --name rooted --retries 0 -- sh -c 'mount -t tmpfs none /mnt && umount /mnt' sh '{path}'
    shell 'echo x > /srv/rooted/file'
    until_so 60 has_run rooted
    went_well rooted
    inside fsmonctl remove rooted
    no_drop_ins
    restart
    inside fsmonctl status
    [ "$(inside ps -o user= -p "$(main_pid)")" = fsmond ]
}
