# Checks of the .rpm: install, upgrade, remove. Sourced by run.sh, after the Debian package is purged. Debian's rpm knows nothing
# of what Debian has installed (--nodeps) and wants to be told that it is meant (--force-debian); the scripts are rpm's own work.

rpms_made() { [ -e "$work/debs/1.rpm" ] && [ -e "$work/debs/2.rpm" ]; }
rpm_does() { inside rpm --nodeps --force-debian "$@"; }

rpm_installs() {
    rpm_does -i /debs/1.rpm
    shell 'getent passwd fsmond && systemctl is-enabled fsmond.service fsmond.socket'
    # By the book of rpm an install starts nothing.
    refused active
    inside systemctl start fsmond.service
    inside fsmonctl status
    [ "$(inside ps -o user= -p "$(main_pid)")" = fsmond ]
    owners_and_modes
    new_folder packed
    add packed
    shell 'echo x > /srv/packed/1'
    until_so 30 done_in packed 1
    there /usr/share/zsh/site-functions/_fsmonctl /usr/share/man/man5/fsmond.toml.5.gz
}

rpm_upgrades() {
    shell 'echo "# mine" >> /etc/fsmond/fsmond.toml'
    local before
    before=$(main_pid)
    (for i in $(seq 300); do shell "echo $i > /srv/packed/$i"; done) &
    local writer=$!
    until_so 30 [ -e "$leader_root/srv/packed/50" ]
    rpm_does -U /debs/2.rpm
    wait "$writer"
    [ "$(inside rpm -q --qf '%{release}' fsmond)" = 2 ]
    [ "$(main_pid)" != "$before" ] || { echo 'it was not restarted'; return 1; }
    until_so 90 all_done packed 300
    shell 'grep -q "^# mine" /etc/fsmond/fsmond.toml && systemctl is-enabled fsmond.service'
    echo "note: 300 of 300 done, $(twice packed) of them twice"
}

rpm_removes() {
    rpm_does -e fsmond
    refused active
    gone /usr/bin/fsmond /usr/bin/fsmonctl /usr/lib/systemd/system/fsmond.service
    there /var/lib/fsmond/fsmond.db /etc/fsmond/fsmond.toml.rpmsave
    shell '! ls /etc/systemd/system/*.wants/fsmond* 2>/dev/null'
    rpm_does -i /debs/2.rpm
    inside systemctl start fsmond.service
    inside fsmonctl show packed
    rpm_does -e fsmond
}
