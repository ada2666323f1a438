//! Tells what is in one file, as a hash of its content, if it is what was seen before and after it was read.
//!
//! In doubt it tells nothing, and the file runs. Must never follow a link, open what is no regular file, or read over a
//! network.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use fsmon_core::io::{Digest, DigestRequest, Digested, FolderProblem};
use fsmon_protocol::fingerprint::FileType;
use rustix::io::Errno;

use super::sys::{self, Facts};
use super::visit::{Entered, Visit};

/// So much is read at once; in between others have their turn.
const PART: usize = 256 * 1024;
/// A file whose content takes longer is not compared.
const PATIENCE: Duration = Duration::from_secs(30);

/// Does one request; breaks off once `go_on`, which is asked after each part, says no.
pub fn digest(visit: &Visit, request: &DigestRequest, go_on: impl FnMut() -> bool) -> Digested {
    let name: &[u8] = &request.name;
    let result = visit.enter(request.path.as_bytes(), request.inode, false).map_err(|problem| told(&problem));
    let result = result.and_then(|folder| {
        let digest = request.content.then(|| content(visit, &folder, request, go_on)).transpose()?;
        // By its name, which may lead to another file by now.
        let facts = sys::look_at(folder.fd.as_fd(), name, !folder.class.remote).map_err(|e| e.to_string())?;
        is_what_was_seen(&facts, visit, &folder, request)?;
        if !folder.class.remote && sys::is_written(folder.fd.as_fd(), name) == Some(true) {
            return Err("somebody has it open for writing".to_owned());
        }
        Ok(digest)
    });
    Digested { watch: request.watch, file: request.file, tag: request.tag, result }
}

fn content(
    visit: &Visit,
    folder: &Entered,
    request: &DigestRequest,
    mut go_on: impl FnMut() -> bool,
) -> Result<Digest, String> {
    if folder.class.remote {
        return Err("it is on a network or FUSE file system, where content is not read".to_owned());
    }
    let name: &[u8] = &request.name;
    let file = sys::open_file(folder.fd.as_fd(), name).map_err(|error| error.to_string())?;
    let Some(file) = file else { return Err("it is no regular file".to_owned()) };
    is_what_was_seen(&sys::look_at_fd(file.as_fd()).map_err(|e| e.to_string())?, visit, folder, request)?;
    let (mut hash, mut part) = (blake3::Hasher::new(), vec![0; PART]);
    let begun = Instant::now();
    loop {
        match rustix::io::read(&file, &mut part[..]) {
            Ok(0) => return Ok(*hash.finalize().as_bytes()),
            Ok(read) => drop(hash.update(&part[..read])),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("reading it took longer than {} s", PATIENCE.as_secs()));
        }
        if !go_on() {
            return Err("it was broken off".to_owned());
        }
    }
}

fn is_what_was_seen(facts: &Facts, visit: &Visit, folder: &Entered, request: &DigestRequest) -> Result<(), String> {
    let stat = facts.stat(folder.class.stable_inodes, &visit.own);
    if stat.file_type == FileType::File && stat.fingerprint == request.seen {
        return Ok(());
    }
    Err("it has changed meanwhile".to_owned())
}

fn told(problem: &FolderProblem) -> String {
    match problem {
        FolderProblem::Gone => "its folder is not there any more".to_owned(),
        FolderProblem::NotPermitted => "permission denied".to_owned(),
        FolderProblem::PseudoFileSystem => "it is on a pseudo file system".to_owned(),
        FolderProblem::Other(why) => why.clone(),
    }
}
