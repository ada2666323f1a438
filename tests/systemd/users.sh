# Checks of the daemons of users. Sourced by run.sh.

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
