# Checks of the service: ready, alive, reload, crash, stop. Sourced by run.sh.

# A folder that the daemon's user may read and write, and a place for what its commands tell.
new_folder() { shell "mkdir -p /srv/$1 /srv/done && chown fsmond: /srv/$1 /srv/done"; }
# Watches it; each file that is done is a line in /srv/done/NAME.
add() { inside fsmonctl add "/srv/$1" --name "$1" -- sh -c "basename \"\$1\" >> /srv/done/$1" sh '{path}'; }
done_in() { shell "grep -qx '$2' /srv/done/$1"; }
done_count() { shell "wc -l < /srv/done/$1"; }
all_done() { [ "$(shell "sort -u /srv/done/$1 2>/dev/null | grep -c . || :")" -ge "$2" ]; }
twice() { shell "sort /srv/done/$1 | uniq -d | grep -c . || :"; }
active() { [ "$(inside systemctl is-active fsmond.service)" = active ]; }

status_text() {
    until_so 20 grep -q '0 watches, 0 files' <(property fsmond.service StatusText)
    # The journal has the level, and the time once.
    inside journalctl -u fsmond --no-pager -q -o cat -p 6..6 | grep '^fsmond has started'
    echo "note: $(property fsmond.service StatusText)"
}

watch_runs() {
    new_folder in
    add in
    shell 'echo x > /srv/in/a'
    until_so 30 done_in in a
    [ "$(inside stat -c %U /srv/done/in)" = fsmond ]
    shell 'grep -q /srv/in/a /var/log/fsmond/filesystem_monitor.log'
}

# All is well, and what is told of the unit is what stands in it.
doctor_well() {
    inside fsmonctl doctor
    grep -q 'in: a file made in its root was heard of' "$work/said"
    grep -q 'hangs for 60 s is started again (WatchdogSec=)' "$work/said"
    grep -q '/usr is read-only for the daemon' "$work/said"
    shell '! ls -A /srv/in | grep probe'
}

# At the moment that systemctl comes back the daemon answers: no second try.
answers_at_once() {
    local n
    for n in $(seq "$1"); do
        shell 'systemctl stop fsmond.service fsmond.socket; systemctl reset-failed fsmond.service fsmond.socket 2>/dev/null || :
            systemctl start fsmond.service; fsmonctl status >/dev/null' || { echo "at start $n"; return 1; }
    done
}

answers_at_once_alone() {
    shell 'systemctl stop fsmond.service fsmond.socket; systemctl mask --runtime fsmond.socket'
    local n result=0
    for n in $(seq "$1"); do
        shell 'systemctl stop fsmond.service; systemctl reset-failed fsmond.service; systemctl start fsmond.service
            fsmonctl status >/dev/null' || { echo "at start $n"; result=1; break; }
    done
    [ "$(inside stat -c %a:%U /run/fsmond/fsmond.sock)" = 600:fsmond ] || result=1
    shell 'systemctl stop fsmond.service; systemctl unmask --runtime fsmond.socket; systemctl start fsmond.socket fsmond.service'
    return $result
}

socket_activation() {
    inside systemctl stop fsmond.service
    refused active
    inside fsmonctl status
    active
}

stop_is_refused() {
    refused inside fsmonctl stop
    grep -q 'systemctl stop' "$work/said"
    active
}

stranger() {
    ends_with 5 inside runuser -u nobody -- fsmonctl --system status
}

watchdog() {
    drop_in quick WatchdogSec=3 TimeoutAbortSec=1 RestartSec=1
    restart
    local before
    before=$(main_pid)
    inside kill -STOP "$before"
    shell 'for i in $(seq 200); do echo $i > /srv/in/hang-$i; done'
    until_so 30 other_than "$before"
    until_so 30 active
    until_so 60 all_hung_done
    [ "$(property fsmond.service NRestarts)" = 1 ]
    inside journalctl -u fsmond --no-pager -q | grep -i 'watchdog timeout'
    no_drop_ins
    restart
}
other_than() { local now; now=$(main_pid); [ "$now" != 0 ] && [ "$now" != "$1" ]; }
all_hung_done() { [ "$(shell "grep -x 'hang-[0-9]*' /srv/done/in | sort -u | wc -l")" = 200 ]; }

watch_in_config() { printf '[[watch]]\nname = "conf"\npath = "/srv/in"\n%s\n' "${1:-}" | inside tee /etc/fsmond/fsmond.toml >/dev/null; }

reload_good() {
    watch_in_config
    inside systemctl reload fsmond
    inside fsmonctl show conf
    active
}

reload_bad() {
    watch_in_config 'frobnicate = 1'
    local before
    before=$(main_pid)
    refused inside systemctl reload fsmond
    inside fsmonctl show conf
    active
    [ "$(main_pid)" = "$before" ]
    shell "systemctl status fsmond.service | grep frobnicate"
    echo "note: $(inside journalctl -u fsmond --no-pager -q -o cat | grep -o 'error: .*frobnicate.*' | tail -1)"
}

start_bad() {
    refused inside systemctl restart fsmond.service
    [ "$(property fsmond.service ExecMainStatus)" = 78 ]
    [ "$(property fsmond.service NRestarts)" = 0 ]
    [ "$(inside systemctl is-failed fsmond.service)" = failed ]
    shell "systemctl status fsmond.service | grep frobnicate"
    watch_in_config
    restart
    inside fsmonctl show conf
}

crash_loop() {
    drop_in quick RestartSec=50ms
    restart
    local files end=$((SECONDS + 60)) pid
    files=$(inside fsmonctl list --json | wc -c)
    while [ "$(inside systemctl is-failed fsmond.service)" != failed ]; do
        pid=$(main_pid)
        [ "$pid" = 0 ] || inside kill -9 "$pid" 2>/dev/null || :
        ((SECONDS < end)) || { echo 'it never gave up'; return 1; }
    done
    [ "$(property fsmond.service Result)" = start-limit-hit ] || [ "$(property fsmond.service Result)" = signal ]
    inside journalctl -u fsmond --no-pager -q | grep -i 'repeated too quickly'
    shell 'echo x > /srv/in/while-down'
    no_drop_ins
    restart
    until_so 30 done_in in while-down
    [ "$(inside fsmonctl list --json | wc -l)" -gt 0 ] && [ "$files" -gt 0 ]
}

stop_under_load() {
    new_folder queue
    inside fsmonctl add /srv/queue --name queue --concurrency 2 -- sh -c 'sleep 0.05; basename "$1" >> /srv/done/queue' sh '{path}'
    shell 'for i in $(seq 300); do echo $i > /srv/queue/$i; done'
    until_so 30 all_done queue 5
    inside systemctl stop fsmond.service fsmond.socket
    [ "$(property fsmond.service Result)" = success ] && [ "$(property fsmond.service ExecMainStatus)" = 0 ]
    refused all_done queue 300
    restart
    until_so 120 all_done queue 300
    echo "note: 300 of 300 done, $(twice queue) of them twice"
}

no_panic() { refused shell 'journalctl --no-pager -q | grep -i "panicked"'; }
