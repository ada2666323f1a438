//! Arms a folder and then lists it, each entry looked at on the way.
//!
//! Armed first, so that what happens while it is listed is told by events. Must never open what is in the folder, but for
//! its ignore file where that is asked.

use std::os::fd::AsFd;

use fsmon_core::io::{Armed, AskIgnores, FolderProblem, ListPart, ListRequest, Name, Stat};
use rustix::io::Errno;

use super::ignores;
use super::source::Folder;
use super::sys;
use super::visit::{Entered, Visit, problem};

/// Entries of one part at most.
pub const PART: usize = 512;

/// Does one request. Every part goes to `part`; false from it ends the listing, since nobody wants it any more.
pub fn list(visit: &Visit, request: &ListRequest, mut part: impl FnMut(ListPart) -> bool) {
    let last = match visit.enter(request.path.as_bytes(), request.inode, true) {
        Ok(folder) => {
            let armed = arm(visit, request, &folder);
            if let AskIgnores::Yes(before) = &request.ignores
                && !part(ListPart::Ignores(ignores::read(folder.fd.as_fd(), before.as_ref())))
            {
                return;
            }
            match entries(visit, &folder, &mut part) {
                Ok(true) => ListPart::Done { armed, inode: folder.inode },
                Ok(false) => return,
                Err(problem) => ListPart::Failed(problem),
            }
        }
        Err(problem) => ListPart::Failed(problem),
    };
    part(last);
}

fn arm(visit: &Visit, request: &ListRequest, folder: &Entered) -> Armed {
    match &visit.root.source {
        Some(source) if request.arm => source.arm(
            (request.watch, request.folder),
            Folder { fd: folder.fd.as_fd(), root: &visit.root.path, path: request.path.as_bytes() },
        ),
        _ => Armed::NotAsked,
    }
}

/// Gives all entries in parts. False: nobody wants them any more.
fn entries(visit: &Visit, folder: &Entered, part: &mut impl FnMut(ListPart) -> bool) -> Result<bool, FolderProblem> {
    let class = folder.class;
    let mut batch: Vec<(Name, Stat)> = Vec::new();
    let mut wanted = true;
    let mut unknown = 0_u32;
    let listed = sys::names(folder.fd.as_fd(), |name| {
        match sys::look_at(folder.fd.as_fd(), name, !class.remote) {
            Ok(facts) => batch.push((name.to_bytes().into(), facts.stat(class.stable_inodes, &visit.own))),
            Err(Errno::NOENT) => {}
            Err(error @ Errno::ACCESS) => return Err(error),
            // Left out: the look that comes before anything is taken for gone says what is wrong with it.
            Err(_) => unknown += 1,
        }
        if batch.len() == PART {
            wanted = part(ListPart::Entries(std::mem::take(&mut batch)));
        }
        if wanted { Ok(()) } else { Err(Errno::CANCELED) }
    });
    if unknown > 0 {
        tracing::debug!(unknown, "entries of a folder could not be looked at while listing it");
    }
    if !wanted {
        return Ok(false);
    }
    listed.map_err(problem)?;
    Ok(batch.is_empty() || part(ListPart::Entries(batch)))
}
