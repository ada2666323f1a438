# What %sysusers_create, %tmpfiles_create and %systemd_post become.
systemd-sysusers fsmond.conf || :
systemd-tmpfiles --create fsmond.conf || :
systemctl daemon-reload >/dev/null 2>&1 || :
if [ "$1" -eq 1 ]; then
    systemctl --no-reload preset fsmond.socket fsmond.service >/dev/null 2>&1 || :
fi
