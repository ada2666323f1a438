# Checks of the package: install, upgrade, remove, purge. Sourced by run.sh.

# Two versions of each package in $work/debs. The .rpm is left out where nothing makes one.
debs() {
    mkdir "$work/debs"
    if [ -n "${DEBS:-}" ]; then
        cp "$DEBS/1.deb" "$DEBS/2.deb" "$work/debs/"
        cp "$DEBS/1.rpm" "$DEBS/2.rpm" "$work/debs/" 2>/dev/null || :
        return
    fi
    local top kinds=(deb)
    top=$(cd "$here/../.." && pwd)
    command -v cargo-generate-rpm >/dev/null && kinds+=(rpm)
    for n in 1 2; do
        VERSION="0.1.0-$n" PROFILE=${PROFILE:-dev} "$top/packaging/build.sh" "${kinds[@]}" >"$work/build" 2>&1 ||
            { tail -20 "$work/build"; return 1; }
        cp "$top"/target/package/fsmond_0.1.0-"$n"_*.deb "$work/debs/$n.deb"
        [ "${#kinds[@]}" = 1 ] || cp "$top"/target/package/fsmond-0.1.0-"$n".*.rpm "$work/debs/$n.rpm"
    done
}

install_deb() { inside env DEBIAN_FRONTEND=noninteractive dpkg -i "/debs/$1.deb"; }

package_installs() {
    install_deb 1
    [ "$(inside systemctl is-active fsmond.service)" = active ]
    shell 'systemctl is-enabled fsmond.service fsmond.socket'
    inside fsmonctl status
    [ "$(inside ps -o user= -p "$(main_pid)")" = fsmond ]
}

owners_and_modes() {
    local found
    found=$(inside stat -c '%n %a %U:%G' /run/fsmond/fsmond.sock /var/lib/fsmond /var/log/fsmond /etc/fsmond /etc/fsmond/fsmond.toml)
    diff <(echo "$found") - <<'X'
/run/fsmond/fsmond.sock 660 root:fsmond
/var/lib/fsmond 700 fsmond:fsmond
/var/log/fsmond 750 fsmond:fsmond
/etc/fsmond 750 root:fsmond
/etc/fsmond/fsmond.toml 640 root:fsmond
X
}

# Files appear all the time while the new version comes.
upgrade_under_load() {
    new_folder load
    add load
    local before
    before=$(main_pid)
    (for i in $(seq 600); do shell "echo $i > /srv/load/$i"; done) &
    local writer=$!
    until_so 30 [ -e "$leader_root/srv/load/100" ]
    install_deb 2
    wait "$writer"
    [ "$(inside dpkg-query -W -f '${Version}' fsmond)" = 0.1.0-2 ]
    [ "$(main_pid)" != "$before" ] || { echo 'it was not restarted'; return 1; }
    until_so 90 all_done load 600
    echo "note: 600 of 600 done, $(twice load) of them twice"
}

remove_keeps() {
    inside env DEBIAN_FRONTEND=noninteractive dpkg -r fsmond
    refused inside systemctl is-active fsmond.service
    there /var/lib/fsmond/fsmond.db /var/log/fsmond /etc/fsmond/fsmond.toml
    gone /run/fsmond
    shell 'echo meanwhile > /srv/load/meanwhile'
}

reinstall_goes_on() {
    install_deb 2
    inside fsmonctl show load
    until_so 60 done_in load meanwhile
    [ "$(done_count load)" -le $((601 + $(twice load))) ] || { echo 'what was done before was done again'; return 1; }
}

planted_link() {
    inside env DEBIAN_FRONTEND=noninteractive dpkg -r fsmond
    shell 'mv /var/lib/fsmond /var/lib/fsmond.kept; mkdir -m 755 /srv/victim; echo x > /srv/victim/file; ln -s /srv/victim /var/lib/fsmond'
    install_deb 2 || :
    shell '[ "$(stat -c %U:%G /srv/victim/file)" = root:root ] && [ "$(stat -c %U:%G /srv/victim)" = root:root ]'
    shell 'rm /var/lib/fsmond; mv /var/lib/fsmond.kept /var/lib/fsmond'
    restart
}

purge_takes() {
    inside env DEBIAN_FRONTEND=noninteractive dpkg -P fsmond
    gone /var/lib/fsmond /var/log/fsmond /etc/fsmond /run/fsmond
    shell '! ls /etc/systemd/system/*.wants/fsmond* 2>/dev/null'
    there /srv/load/1
}

install_as_new() {
    install_deb 1
    [ "$(inside fsmonctl status | grep -c 'watches: *0')" = 1 ]
}
