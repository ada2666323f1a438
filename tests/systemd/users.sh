# Checks of the daemons of users. Sourced by run.sh.

# Groups are those of the moment of connecting: in, out, and what a reader may.
group_members() {
    shell 'useradd -m carol; groupadd watchers; usermod -aG fsmond carol'
    watch_in_config
    printf '[daemon]\nreaders = ["@watchers"]\n' | inside tee -a /etc/fsmond/fsmond.toml >/dev/null
    inside systemctl reload fsmond
    ends_with 5 inside runuser -u carol -- fsmonctl --system status
    shell 'usermod -aG watchers carol'
    ends_with 0 inside runuser -u carol -- fsmonctl --system status
    ends_with 5 inside runuser -u carol -- fsmonctl --system pause conf
    shell 'gpasswd -d carol watchers'
    ends_with 5 inside runuser -u carol -- fsmonctl --system status
    watch_in_config
    inside systemctl reload fsmond
}

user_unit() {
    shell 'useradd -m alice; loginctl enable-linger alice'
    until_so 30 shell 'systemctl is-active user@$(id -u alice).service'
    as alice systemctl --user enable --now fsmond
    as alice fsmonctl --user status
    as alice sh -c 'mkdir ~/in && fsmonctl --user add ~/in -- sh -c "cp \"\$1\" ~/copy" sh {path} && echo x > ~/in/file'
    until_so 30 shell '[ -e /home/alice/copy ]'
    as alice systemctl --user reload fsmond
    as alice systemctl --user stop fsmond
}

instance_unit() {
    shell 'useradd -m bob; systemctl start fsmond@bob'
    # Bob says nothing about where it is. There is the system's daemon too, so he says which one is meant.
    inside runuser -u bob -- env HOME=/home/bob fsmonctl --user status
    [ "$(inside ps -o user= -p "$(main_pid fsmond@bob.service)")" = bob ]
    inside systemctl reload fsmond@bob
    inside systemctl stop fsmond@bob
}
