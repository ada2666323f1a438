//! Looks at names of one folder.

use std::os::fd::AsFd;

use fsmon_core::io::{FolderProblem, LookRequest, Looked, Name, Seen};
use fsmon_protocol::fingerprint::FileType;
use rustix::io::Errno;

use super::sys;
use super::visit::{Entered, Visit};

/// Does one request.
pub fn look(visit: &Visit, request: LookRequest) -> Looked {
    let LookRequest { check, watch, folder, path, inode, names, tag } = request;
    let result = visit.enter(path.as_bytes(), inode, false).and_then(|entered| {
        let see = |name: Name| see(visit, &entered, &name, check).map(|seen| (name, seen));
        names.into_iter().map(see).collect()
    });
    Looked { watch, folder, tag, result }
}

/// Looks at one name of a folder; `check`: also whether somebody has it open for writing. Fails where nothing in the folder
/// may be looked at.
pub fn see(visit: &Visit, folder: &Entered, name: &[u8], check: bool) -> Result<Seen, FolderProblem> {
    if name.is_empty() || name.contains(&b'/') || name == b"." || name == b".." {
        return Ok(Seen::Unknown("not a name".to_owned()));
    }
    Ok(match sys::look_at(folder.fd.as_fd(), name, !folder.class.remote) {
        Ok(facts) => {
            let mut stat = facts.stat(folder.class.stable_inodes, &visit.own);
            // Never over a network: a server would be asked to open it, and knows nothing of its other clients.
            if check && !stat.own && !folder.class.remote && stat.file_type == FileType::File {
                stat.written = sys::is_written(folder.fd.as_fd(), name);
            }
            Seen::Here(stat)
        }
        Err(Errno::NOENT) => Seen::Gone,
        Err(Errno::ACCESS) => return Err(FolderProblem::NotPermitted),
        Err(error) => Seen::Unknown(error.to_string()),
    })
}
