# What %systemd_postun_with_restart becomes: another version came, or none is left. The state stays in any case, as is usual
# with rpm.
systemctl daemon-reload >/dev/null 2>&1 || :
if [ "$1" -ge 1 ]; then
    systemctl try-restart fsmond.service 'fsmond@*.service' >/dev/null 2>&1 || :
fi
