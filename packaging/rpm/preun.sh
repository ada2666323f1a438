# What %systemd_preun becomes: the last version goes.
if [ "$1" -eq 0 ]; then
    systemctl --no-reload disable --now fsmond.socket fsmond.service >/dev/null 2>&1 || :
    systemctl stop 'fsmond@*.service' >/dev/null 2>&1 || :
fi
