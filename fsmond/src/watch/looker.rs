//! Looks at names of one folder.

use std::os::fd::AsFd;

use fsmon_core::io::{LookRequest, Looked, Seen};
use fsmon_protocol::fingerprint::FileType;
use rustix::io::Errno;

use super::sys;
use super::visit::{Entered, Visit};

/// Does one request.
pub fn look(visit: &Visit, request: LookRequest) -> Looked {
    let LookRequest { check, watch, folder, path, inode, names, tag } = request;
    let result = visit.enter(path.as_bytes(), inode, false).map(|entered| {
        names
            .into_iter()
            .map(|name| {
                let seen = see(visit, &entered, &name, check);
                (name, seen)
            })
            .collect()
    });
    Looked { watch, folder, tag, result }
}

/// Looks at one name of a folder; `check`: also whether somebody has it open for writing.
pub fn see(visit: &Visit, folder: &Entered, name: &[u8], check: bool) -> Seen {
    if name.is_empty() || name.contains(&b'/') || name == b"." || name == b".." {
        return Seen::Unknown("not a name".to_owned());
    }
    match sys::look_at(folder.fd.as_fd(), name, !folder.class.remote) {
        Ok(facts) => {
            let mut stat = facts.stat(folder.class.stable_inodes, &visit.own);
            // Never over a network: a server would be asked to open it, and knows nothing of its other clients.
            if check && !stat.own && !folder.class.remote && stat.file_type == FileType::File {
                stat.written = sys::is_written(folder.fd.as_fd(), name);
            }
            Seen::Here(stat)
        }
        Err(Errno::NOENT) => Seen::Gone,
        Err(error) => Seen::Unknown(error.to_string()),
    }
}
