//! From the names of the config to the numbers by which the kernel knows who connects.

use std::path::Path;

use tracing::warn;

use crate::host::config::{Daemon, Principal, user_number};
use crate::rpc::{Grants, Members};

/// To whom the config gives a role. A name that the system does not know gives it to nobody, and is said: whoever is
/// deleted must not keep the daemon from starting. May wait for the user database.
pub fn grants_of(daemon: &Daemon) -> Grants {
    Grants {
        admins: members("admins", &daemon.admins),
        operators: members("operators", &daemon.operators),
        readers: members("readers", &daemon.readers),
    }
}

fn members(key: &str, named: &[Principal]) -> Members {
    let mut members = Members::default();
    for principal in named {
        let known = match principal {
            Principal::User(name) => user_number(name).map(|uid| members.users.insert(uid)),
            Principal::Group(group) => group.number().map(|gid| members.groups.insert(gid)),
        };
        if known.is_none() {
            warn!(
                "{key} of the config names {principal}, which this system does not know: nobody gets that role by it"
            );
        }
    }
    members
}

/// Says so if somebody has a role but cannot reach the socket.
pub fn warn_of_closed_socket(daemon: &Daemon, socket: &Path) {
    use std::os::unix::fs::MetadataExt;

    let others = !(daemon.admins.is_empty() && daemon.operators.is_empty() && daemon.readers.is_empty());
    if others && std::fs::symlink_metadata(socket).is_ok_and(|found| found.mode() & 0o066 == 0) {
        warn!(
            "the config gives roles, but only this user and root can connect to the socket: set socket-mode = \"0660\" \
             and socket-group, or socket-mode = \"0666\""
        );
    }
}
