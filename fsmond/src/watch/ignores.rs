//! Reads the ignore file of a folder that is being listed. It is what anybody who writes to the tree has put there: never
//! more of it is read than can be used, no link is followed, and what is no regular file is not opened.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use fsmon_core::ignores::{IgnoreFile, LARGEST, NAME};
use fsmon_core::io::IgnoreRead;
use rustix::io::Errno;

use super::sys;

/// What the ignore file in this folder says; the same as before, where it says what that did.
pub fn read(folder: BorrowedFd<'_>, before: Option<&Arc<IgnoreFile>>) -> IgnoreRead {
    let file = match sys::open_file(folder, NAME) {
        Ok(Some(file)) => File::from(file),
        Ok(None) | Err(Errno::NOENT) => return IgnoreRead::Missing,
        Err(error) => return IgnoreRead::Unread(error.to_string()),
    };
    let size = sys::look_at_fd(file.as_fd()).map_or(0, |facts| facts.size);
    if size > LARGEST as u64 {
        return IgnoreRead::Unread(format!("it has more than {LARGEST} bytes"));
    }
    let mut text = Vec::new();
    // One byte more than it may have tells that it grew.
    if let Err(error) = file.take(LARGEST as u64 + 1).read_to_end(&mut text) {
        return IgnoreRead::Unread(error.to_string());
    }
    match before {
        Some(before) if before.text() == text => IgnoreRead::Read(Arc::clone(before)),
        _ => IgnoreFile::new(&text).map_or_else(IgnoreRead::Unread, |file| IgnoreRead::Read(Arc::new(file))),
    }
}
