//! Every other Unix: one component after the other with `O_NOFOLLOW`, `readdir`, `fstatat`.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use fsmon_protocol::fingerprint::FileType;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, Stat, fstat, open, openat, stat, statat};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

use super::{Facts, components, file_type, nanos};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens the root as a place to start from, following symbolic links in its path.
pub fn open_root(path: &Path) -> Result<OwnedFd> {
    open(path, FOLDER, Mode::empty())
}

/// The path of an open folder without symbolic links; `path` led there.
pub fn real_path(_folder: BorrowedFd<'_>, path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
}

/// Opens a folder beneath the root without following any symbolic link.
pub fn open_beneath(root: BorrowedFd<'_>, path: &[u8], _read: bool) -> Result<OwnedFd> {
    let mut held = openat(root, ".", FOLDER, Mode::empty())?;
    for part in components(path)? {
        held = openat(&held, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(held)
}

/// Looks at one name of a folder, without following it.
pub fn look_at(folder: BorrowedFd<'_>, name: impl Arg, _cached: bool) -> Result<Facts> {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|told| facts(&told))
}

/// Opens a regular file to read it; none where it is something else.
pub fn open_file(folder: BorrowedFd<'_>, name: &[u8]) -> Result<Option<OwnedFd>> {
    if look_at(folder, name, true)?.file_type != FileType::File {
        return Ok(None);
    }
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, name, how, Mode::empty())?;
    // It may be another one by now.
    Ok((look_at_fd(file.as_fd())?.file_type == FileType::File).then_some(file))
}

/// No system but Linux tells whether somebody has a file open for writing.
pub fn is_written(_folder: BorrowedFd<'_>, _name: impl Arg) -> Option<bool> {
    None
}

/// Looks at an open file.
pub fn look_at_fd(fd: BorrowedFd<'_>) -> Result<Facts> {
    fstat(fd).map(|told| facts(&told))
}

/// Looks at a path, following symbolic links.
pub fn look_at_path(path: &Path) -> Result<Facts> {
    stat(path).map(|told| facts(&told))
}

#[allow(
    clippy::cast_lossless,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::unnecessary_cast,
    reason = "widths and signs of these fields differ between systems; none loses bits"
)]
fn facts(told: &Stat) -> Facts {
    Facts {
        dev: told.st_dev as u64,
        inode: told.st_ino as u64,
        file_type: file_type(told.st_mode as rustix::fs::RawMode),
        size: told.st_size as u64,
        mtime: nanos(told.st_mtime as i64, told.st_mtime_nsec as i64),
        ctime: nanos(told.st_ctime as i64, told.st_ctime_nsec as i64),
        btime: 0,
        mount_root: None,
        mount: 0,
    }
}

/// Gives each name of a folder but `.` and `..` to `each`, until that fails.
pub fn names(folder: BorrowedFd<'_>, mut each: impl FnMut(&CStr) -> Result<()>) -> Result<()> {
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            each(name)?;
        }
    }
    Ok(())
}

/// The type of file system is asked for in a different way on each of these; none is needed so far.
#[allow(clippy::unnecessary_wraps, reason = "the same shape on every system")]
pub fn fs_type(_fd: BorrowedFd<'_>) -> Result<String> {
    Ok("unknown".to_owned())
}

/// As [`fs_type`].
pub fn fs_type_of_root(fd: BorrowedFd<'_>, _facts: &Facts) -> Result<String> {
    fs_type(fd)
}
