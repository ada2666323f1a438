//! Reaching what lies below a root: from the opened root, name by name, and through no symbolic link. Whoever can write
//! there cannot lead this anywhere else. Never here: what is done with it.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;
use rustix::path::Arg;

/// How a folder below a root is opened, whatever for.
pub(super) const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// A folder on the way that could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocked {
    /// 0: the root; else how many names below it.
    pub(super) step: usize,
    pub(super) error: Errno,
}

/// Opens the folder of these names below the root. Symbolic links are followed in the path of the root, never below it.
/// Makes only system calls where the names are C strings: it is also called between fork and exec.
pub(super) fn open_folder<N: Arg>(
    root: impl Arg,
    names: impl Iterator<Item = N>,
    how: OFlags,
) -> Result<OwnedFd, Blocked> {
    let mut folder = open(root, OFlags::DIRECTORY | OFlags::CLOEXEC | how, Mode::empty())
        .map_err(|error| Blocked { step: 0, error })?;
    for (above, name) in names.enumerate() {
        folder =
            openat(&folder, name, FOLDER | how, Mode::empty()).map_err(|error| Blocked { step: above + 1, error })?;
    }
    Ok(folder)
}
