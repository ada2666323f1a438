//! Whether somebody has a file open for writing, asked of the kernel by a read lease that is given back at once. In a
//! module of its own since no safe wrapper of these calls is at hand. Must never keep a lease: a writer would wait.

#![allow(unsafe_code, reason = "three calls of fcntl with numbers, on a descriptor that is borrowed for their time")]

use std::os::fd::{AsRawFd, BorrowedFd};

/// The signal for a lease that is broken, by number on every architecture; the libc crate names it for a few only.
const F_SETSIG: libc::c_int = 10;

/// Whether somebody has the file open for writing; none where the kernel does not tell us: it is another user's, or on
/// a file system without leases. `file` must be open for reading only.
pub fn is_written(file: BorrowedFd<'_>) -> Option<bool> {
    let fd = file.as_raw_fd();
    // SAFETY: all three take a descriptor that lives as long as the borrow, and a number; none takes memory. The signal
    // for a lease that somebody wants broken is one that is ignored unless it is handled: the usual one would end us.
    unsafe {
        if libc::fcntl(fd, F_SETSIG, libc::SIGURG) != 0 {
            return None;
        }
        if libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) == 0 {
            libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK);
            return Some(false);
        }
    }
    (std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)).then_some(true)
}
