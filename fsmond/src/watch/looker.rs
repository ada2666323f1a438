//! Looks at names of one folder.

use std::os::fd::AsFd;

use fsmon_core::io::{LookRequest, Looked, Seen};
use rustix::io::Errno;

use super::sys;
use super::visit::{Entered, Visit};

/// Does one request.
pub fn look(visit: &Visit, request: LookRequest) -> Looked {
    let LookRequest { watch, folder, path, inode, names, tag } = request;
    let result = visit.enter(path.as_bytes(), inode, false).map(|entered| {
        names
            .into_iter()
            .map(|name| {
                let seen = see(visit, &entered, &name);
                (name, seen)
            })
            .collect()
    });
    Looked { watch, folder, tag, result }
}

fn see(visit: &Visit, folder: &Entered, name: &[u8]) -> Seen {
    if name.is_empty() || name.contains(&b'/') || name == b"." || name == b".." {
        return Seen::Unknown("not a name".to_owned());
    }
    match sys::look_at(folder.fd.as_fd(), name, !folder.class.remote) {
        Ok(facts) => Seen::Here(facts.stat(folder.class.stable_inodes, &visit.own)),
        Err(Errno::NOENT) => Seen::Gone,
        Err(error) => Seen::Unknown(error.to_string()),
    }
}
