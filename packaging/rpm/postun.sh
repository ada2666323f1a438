# What %systemd_postun_with_restart becomes: another version came. The state stays in any case, as is usual with rpm.
if [ "$1" -ge 1 ]; then
    systemctl daemon-reload >/dev/null 2>&1 || :
    systemctl try-restart fsmond.service 'fsmond@*.service' >/dev/null 2>&1 || :
fi
