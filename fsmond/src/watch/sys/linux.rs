//! Linux: `openat2` beneath the root, `getdents`, `statx`.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use fsmon_protocol::fingerprint::FileType;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxAttributes, StatxFlags, StatxTimestamp, fstatfs,
    open, openat, openat2, statx,
};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

use super::{Facts, components, file_type, lease, nanos};

/// The kernel takes paths below 4,096 bytes; longer ones are walked in steps of at most this many.
const STEP: usize = 3840;
const FIELDS: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME).union(StatxFlags::MNT_ID);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Set once `openat2` turned out to be missing (before Linux 5.6) or forbidden (by a seccomp filter).
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Opens the root as a place to start from, following symbolic links in its path. Needs no right to read it.
pub fn open_root(path: &Path) -> Result<OwnedFd> {
    open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The path of an open folder without symbolic links, as the kernel has it now; `path` led there.
pub fn real_path(folder: BorrowedFd<'_>, path: &Path) -> Result<PathBuf> {
    let link = format!("/proc/self/fd/{}", folder.as_raw_fd());
    std::fs::read_link(link).or_else(|_| path.canonicalize()).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
}

/// Opens a folder beneath the root without following any symbolic link: to read it, or only as a place to look from.
pub fn open_beneath(root: BorrowedFd<'_>, path: &[u8], read: bool) -> Result<OwnedFd> {
    if NO_OPENAT2.load(Ordering::Relaxed) {
        return open_by_component(root, path, read);
    }
    match open_in_steps(root, path, read) {
        // A filter answers one of these; a real EPERM comes again from the other way.
        Err(Errno::NOSYS | Errno::PERM) => {
            let folder = open_by_component(root, path, read)?;
            NO_OPENAT2.store(true, Ordering::Relaxed);
            Ok(folder)
        }
        result => result,
    }
}

fn open_in_steps(root: BorrowedFd<'_>, path: &[u8], read: bool) -> Result<OwnedFd> {
    let mut held: Option<OwnedFd> = None;
    let mut rest = path;
    while rest.len() > STEP {
        let cut = rest[..STEP].iter().rposition(|b| *b == b'/').ok_or(Errno::NAMETOOLONG)?;
        let from = held.as_ref().map_or(root, AsFd::as_fd);
        held = Some(open_step(from, &rest[..cut], false)?);
        rest = &rest[cut + 1..];
    }
    open_step(held.as_ref().map_or(root, AsFd::as_fd), if rest.is_empty() { b"." } else { rest }, read)
}

fn open_step(from: BorrowedFd<'_>, path: &[u8], read: bool) -> Result<OwnedFd> {
    if !read {
        return open_at_once(from, path, FOLDER | OFlags::PATH);
    }
    // Listing should not write times of access. Only the owner of a folder and root may ask for that.
    match open_at_once(from, path, FOLDER | OFlags::NOATIME) {
        Err(Errno::PERM) => open_at_once(from, path, FOLDER),
        result => result,
    }
}

fn open_at_once(from: BorrowedFd<'_>, path: &[u8], how: OFlags) -> Result<OwnedFd> {
    // EAGAIN: somebody renamed something while the kernel walked; a few more tries settle it.
    let mut tries = 0;
    loop {
        match openat2(from, path, how, Mode::empty(), BENEATH) {
            Err(Errno::AGAIN) if tries < 8 => tries += 1,
            result => return result,
        }
    }
}

/// The same without `openat2`: one component after the other.
pub(super) fn open_by_component(root: BorrowedFd<'_>, path: &[u8], read: bool) -> Result<OwnedFd> {
    let parts = components(path)?;
    let mut held: Option<OwnedFd> = None;
    let Some((last, before)) = parts.split_last() else {
        return openat(root, ".", if read { FOLDER } else { FOLDER | OFlags::PATH }, Mode::empty());
    };
    for part in before {
        held = Some(openat(held.as_ref().map_or(root, AsFd::as_fd), *part, FOLDER | OFlags::PATH, Mode::empty())?);
    }
    let how = if read { FOLDER } else { FOLDER | OFlags::PATH };
    openat(held.as_ref().map_or(root, AsFd::as_fd), *last, how, Mode::empty())
}

/// Looks at one name of a folder, without following it and without mounting anything. `cached`: what the kernel knows
/// is good enough (a local file system); else a server is asked as `stat` would.
pub fn look_at(folder: BorrowedFd<'_>, name: impl Arg, cached: bool) -> Result<Facts> {
    let sync = if cached { AtFlags::STATX_DONT_SYNC } else { AtFlags::empty() };
    statx(folder, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | sync, FIELDS).map(|told| facts(&told))
}

/// Looks at an open file.
pub fn look_at_fd(fd: BorrowedFd<'_>) -> Result<Facts> {
    statx(fd, "", AtFlags::EMPTY_PATH, FIELDS).map(|told| facts(&told))
}

/// Looks at a path, following symbolic links.
pub fn look_at_path(path: &Path) -> Result<Facts> {
    statx(CWD, path, AtFlags::empty(), FIELDS).map(|told| facts(&told))
}

/// Opens a regular file to read it; none where it is something else.
pub fn open_file(folder: BorrowedFd<'_>, name: impl Arg) -> Result<Option<OwnedFd>> {
    // A handle that opens nothing, to be sure of what it is; only then the file itself.
    let place = openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if look_at_fd(place.as_fd())?.file_type != FileType::File {
        return Ok(None);
    }
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // As with folders.
    match open(path.as_str(), how | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => open(path, how, Mode::empty()).map(Some),
        result => result.map(Some),
    }
}

/// Whether somebody has this file open for writing; none where that cannot be told, or it is no regular file.
pub fn is_written(folder: BorrowedFd<'_>, name: impl Arg) -> Option<bool> {
    lease::is_written(open_file(folder, name).ok()??.as_fd())
}

fn facts(told: &Statx) -> Facts {
    let time = |t: &StatxTimestamp| nanos(t.tv_sec, i64::from(t.tv_nsec));
    let has = |field: StatxFlags| told.stx_mask & field.bits() != 0;
    Facts {
        dev: u64::from(told.stx_dev_major) << 32 | u64::from(told.stx_dev_minor),
        inode: told.stx_ino,
        file_type: file_type(told.stx_mode.into()),
        size: told.stx_size,
        mtime: time(&told.stx_mtime),
        ctime: time(&told.stx_ctime),
        btime: if has(StatxFlags::BTIME) { time(&told.stx_btime) } else { 0 },
        mount_root: told
            .stx_attributes_mask
            .contains(StatxAttributes::MOUNT_ROOT)
            .then(|| told.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
        mount: if has(StatxFlags::MNT_ID) { told.stx_mnt_id } else { 0 },
    }
}

/// Gives each name of a folder but `.` and `..` to `each`, until that fails.
pub fn names(folder: BorrowedFd<'_>, mut each: impl FnMut(&CStr) -> Result<()>) -> Result<()> {
    let mut buffer = [const { MaybeUninit::uninit() }; 16 * 1024];
    let mut entries = RawDir::new(folder, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            each(name)?;
        }
    }
    Ok(())
}

/// The type of file system that an open file is on, as far as its magic number is known; else its number.
pub fn fs_type(fd: BorrowedFd<'_>) -> Result<String> {
    // The number is 32 bits wide; the field's width and sign differ between machines.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bit pattern of 32 bits")]
    let magic = fstatfs(fd)?.f_type as u32;
    Ok(super::super::mount::name_of(magic).map_or_else(|| format!("{magic:#x}"), str::to_owned))
}

/// The type of the root's file system as its mount tells it, which knows more (`fuse.sshfs`); else as [`fs_type`].
pub fn fs_type_of_root(fd: BorrowedFd<'_>, facts: &Facts) -> Result<String> {
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    super::super::mount::type_in_table(&table, facts.mount).map_or_else(|| fs_type(fd), Ok)
}
