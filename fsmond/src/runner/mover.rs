//! Moves or deletes files after their runs. It stands with the runner since it is the last act of a run; the watch edge
//! only looks, and never changes a file.
//!
//! A file is reached from the opened root, name by name and through no symbolic link, and touched only if it is the
//! version that was processed. It is never written over anything: a name that is taken gets a number. Between file
//! systems it is copied under a hidden name, made durable, named, and only then removed where it was; what a dead daemon
//! left of that is taken up. What cannot be done is left as it was. Never here: which files, and when.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fsmon_core::PROBE_PREFIX;
use fsmon_core::io::{PutAway, PutAwayRequest};
use fsmon_protocol::RawPath;
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::path::quote;
use fsmon_protocol::spec::After;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, fchmod, fchown, fstat, fsync, futimens,
    linkat, mkdirat, open, openat, statat, unlinkat,
};
use rustix::io::Errno;

use super::beneath::{Blocked, FOLDER, open_folder};

/// So many names are tried for a file whose own is taken.
const NUMBERS: u32 = 10_000;

/// Why it was not done.
enum Stopped {
    /// The file is not there.
    Gone,
    /// It is another version.
    Changed,
    /// Something cannot be done.
    Fault(String),
}

type Step<T> = Result<T, Stopped>;

/// Moves or deletes one file; blocks.
pub(super) fn put_away(request: &PutAwayRequest) -> PutAway {
    let done = match &request.after {
        After::Delete => delete(request).map(|()| PutAway::Deleted),
        After::Move(folder) => move_to(request, Path::new(folder)).map(PutAway::Moved),
        After::Keep => Err(Stopped::Changed),
    };
    done.unwrap_or_else(|stopped| match stopped {
        Stopped::Gone => PutAway::Gone,
        Stopped::Changed => PutAway::Changed,
        Stopped::Fault(why) => PutAway::Kept(why),
    })
}

/// A file in its folder.
struct Place<'a> {
    folder: OwnedFd,
    name: &'a OsStr,
    given: Fingerprint,
}

impl<'a> Place<'a> {
    fn find(request: &'a PutAwayRequest) -> Step<Self> {
        let root = request.root.as_path();
        let folder = open_folder(root, folders(request), OFlags::RDONLY).map_err(|blocked| match blocked {
            Blocked { step: 0, error } => fault("open", root, error),
            Blocked { error: Errno::NOENT | Errno::NOTDIR | Errno::LOOP, .. } => Stopped::Gone,
            Blocked { step, error } => fault("open", &folders(request).take(step).collect::<PathBuf>(), error),
        })?;
        let name = request.rel.as_path().file_name().ok_or(Stopped::Gone)?;
        Ok(Self { folder, name, given: request.given })
    }

    /// Goes on only while it is the version that was processed.
    fn check(&self) -> Step<Stat> {
        match statat(&self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_version(&stat, &self.given) => Ok(stat),
            Ok(_) => Err(Stopped::Changed),
            Err(Errno::NOENT) => Err(Stopped::Gone),
            Err(error) => Err(fault("look at", Path::new(self.name), error)),
        }
    }

    /// Deletes it. It first gets a name that no watch sees, and is looked at once more: somebody may have put a new version
    /// in its place since the last look, which then gets its name back, or one with a number.
    fn remove(&self, key: &str) -> Step<()> {
        self.check()?;
        let failed = |error| fault("delete", Path::new(self.name), error);
        let (folder, aside) = (self.folder.as_fd(), OsString::from(format!("{PROBE_PREFIX}{key}")));
        // What a dead daemon left there may be such a new version.
        let _ = name_it(folder, &aside, folder, self.name);
        match rename_new(folder, self.name, folder, &aside) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Err(Stopped::Gone),
            Err(error) => return Err(failed(error)),
        }
        let stat = statat(folder, &aside, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        if !is_version(&stat, &self.given) {
            name_it(folder, &aside, folder, self.name).map_err(failed)?;
            return Err(Stopped::Changed);
        }
        unlinkat(folder, &aside, AtFlags::empty()).map_err(failed)?;
        flush(&self.folder);
        Ok(())
    }
}

/// The folders between the root and the file.
fn folders(request: &PutAwayRequest) -> impl Iterator<Item = &OsStr> {
    request.rel.as_path().parent().into_iter().flat_map(Path::iter)
}

/// Whether this is that version. An inode of 0 stands for one that the file system does not keep.
fn is_version(stat: &Stat, given: &Fingerprint) -> bool {
    let mtime = stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanos(stat.st_mtime_nsec));
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && [0, stat.st_ino].contains(&given.inode)
        && (size, mtime) == (given.size, given.mtime)
}

/// Below a second, as each system has it.
fn nanos<T: TryInto<i64>>(part: T) -> i64 {
    part.try_into().unwrap_or(0)
}

fn fault(what: &str, path: &Path, error: impl std::fmt::Display) -> Stopped {
    Stopped::Fault(format!("can't {what} {}: {error}", quote(path.as_os_str().as_bytes())))
}

/// What was named or removed in it stays so over a power cut, where its file system can be asked for that.
fn flush(folder: &OwnedFd) {
    // A file that comes back is processed again, which is said of every power cut.
    let _ = fsync(folder);
}

fn delete(request: &PutAwayRequest) -> Step<()> {
    Place::find(request)?.remove(&request.key)
}

fn move_to(request: &PutAwayRequest, folder: &Path) -> Step<RawPath> {
    let place = Place::find(request)?;
    place.check()?;
    let target = open_target(request, folder)?;
    let to = |name: &OsStr| {
        let below = request.rel.as_path().parent().unwrap_or(Path::new(""));
        RawPath::from(folder.join(below).join(name).as_path())
    };
    match name_it(place.folder.as_fd(), place.name, target.as_fd(), place.name) {
        Ok(name) => {
            let stat = statat(&target, &name, AtFlags::SYMLINK_NOFOLLOW);
            if !stat.is_ok_and(|stat| is_version(&stat, &place.given))
                && rename_new(target.as_fd(), &name, place.folder.as_fd(), place.name).is_ok()
            {
                // Somebody wrote to it, or put another in its place, between the look and the rename.
                return Err(Stopped::Changed);
            }
            flush(&target);
            Ok(to(&name))
        }
        Err(Errno::NOENT) => Err(Stopped::Gone),
        Err(Errno::XDEV) => copy_to(request, &place, &target).map(|name| to(&name)),
        Err(error) => Err(fault("move it to", folder, error)),
    }
}

/// The folder that the file goes to: below the one that was named as it lies below the root. The named one is made where
/// only itself is missing; one that a symbolic link leads into the watch is refused.
fn open_target(request: &PutAwayRequest, folder: &Path) -> Step<OwnedFd> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fault("make", folder, error)),
        _ => {}
    }
    let mut target = open(folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| fault("open", folder, error))?;
    let root = request.root.as_path();
    if let (Ok(real), Ok(real_root)) = (folder.canonicalize(), root.canonicalize())
        && real.starts_with(&real_root)
        && !folder.starts_with(root)
    {
        return Err(Stopped::Fault(format!("{} leads into the watch", quote(folder.as_os_str().as_bytes()))));
    }
    for name in folders(request) {
        match mkdirat(&target, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(fault("make", Path::new(name), error)),
        }
        target = openat(&target, name, FOLDER, Mode::empty()).map_err(|error| fault("open", Path::new(name), error))?;
    }
    Ok(target)
}

/// Gives something the name that it should have, or the first with a number that is free.
fn name_it(from: BorrowedFd<'_>, old: &OsStr, to: BorrowedFd<'_>, wanted: &OsStr) -> Result<OsString, Errno> {
    for number in 0..NUMBERS {
        let name = numbered(wanted, number);
        match rename_new(from, old, to, &name) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::EXIST)
}

/// `report.csv`, `report.1.csv`, `report.2.csv`, …
fn numbered(name: &OsStr, number: u32) -> OsString {
    let path = Path::new(name);
    match (number, path.file_stem(), path.extension()) {
        (0, _, _) | (_, None, _) => name.to_owned(),
        (_, Some(stem), extension) => {
            let mut numbered = stem.to_owned();
            numbered.push(format!(".{number}"));
            if let Some(extension) = extension {
                numbered.push(".");
                numbered.push(extension);
            }
            numbered
        }
    }
}

/// Renames to a name that is free, in one step; `EXIST` where it is taken.
fn rename_new(from: BorrowedFd<'_>, old: &OsStr, to: BorrowedFd<'_>, new: &OsStr) -> Result<(), Errno> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    match rustix::fs::renameat_with(from, old, to, new, rustix::fs::RenameFlags::NOREPLACE) {
        // Not every file system can.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        result => return result,
    }
    // A second name is only given if it is free; then the first goes.
    linkat(from, old, to, new, AtFlags::empty())?;
    unlinkat(from, old, AtFlags::empty())
}

/// Copies to another file system, and removes the file where it was.
fn copy_to(request: &PutAwayRequest, place: &Place<'_>, target: &OwnedFd) -> Step<OsString> {
    let failed = |what: &str, error: io::Error| fault(what, Path::new(place.name), error);
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut source = openat(&place.folder, place.name, how, Mode::empty())
        .map(File::from)
        .map_err(|error| failed("read", error.into()))?;
    if request.again
        && let Some(name) = copied_before(&mut source, place, target)
    {
        return place.remove(&request.key).map(|()| name);
    }
    let hidden = PathBuf::from(format!(".fsmond-{}", request.key));
    // What a dead daemon left of the same copy.
    unname(target, hidden.as_os_str());
    let name = copy(&mut source, place, target, &hidden)
        .and_then(|()| {
            place.check()?;
            name_it(target.as_fd(), hidden.as_os_str(), target.as_fd(), place.name)
                .map_err(|error| failed("name the copy of", error.into()))
        })
        .inspect_err(|_| unname(target, hidden.as_os_str()))?;
    flush(target);
    place.remove(&request.key).inspect_err(|_| unname(target, &name))?;
    Ok(name)
}

/// Takes back a copy of our own. One that stays is only in the way: the next is begun anew, under a free name.
fn unname(target: &OwnedFd, name: &OsStr) {
    let _ = unlinkat(target, name, AtFlags::empty());
}

fn copy(source: &mut File, place: &Place<'_>, target: &OwnedFd, hidden: &Path) -> Step<()> {
    let failed = |error: io::Error| fault("copy", Path::new(place.name), error);
    let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut copy = openat(target, hidden, how, Mode::from_raw_mode(0o600))
        .map(File::from)
        .map_err(|error| failed(error.into()))?;
    io::copy(source, &mut copy).map_err(failed)?;
    let stat = fstat(&*source).map_err(|error| failed(error.into()))?;
    if !is_version(&stat, &place.given) {
        return Err(Stopped::Changed);
    }
    // Only root can give a file to somebody else; a copy of one's own never runs as another.
    let owned = fchown(&copy, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid))).is_ok();
    let mode = Mode::from_raw_mode(stat.st_mode) & Mode::from_raw_mode(if owned { 0o7777 } else { 0o777 });
    let times = Timestamps {
        last_access: Timespec { tv_sec: stat.st_atime, tv_nsec: nanos(stat.st_atime_nsec) },
        last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: nanos(stat.st_mtime_nsec) },
    };
    fchmod(&copy, mode)
        .and_then(|()| futimens(&copy, &times))
        .and_then(|()| fsync(&copy))
        .map_err(|error| failed(error.into()))
}

/// The copy that a daemon made before it died: same time, same size, same bytes.
fn copied_before(source: &mut File, place: &Place<'_>, target: &OwnedFd) -> Option<OsString> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    for number in 0..NUMBERS {
        let name = numbered(place.name, number);
        let there = statat(target, &name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if is_version(&there, &Fingerprint { inode: 0, ..place.given }) {
            let mut copy = openat(target, &name, how, Mode::empty()).map(File::from).ok()?;
            let same = same_bytes(source, &mut copy).unwrap_or(false);
            rustix::fs::seek(&*source, rustix::fs::SeekFrom::Start(0)).ok()?;
            if same {
                return Some(name);
            }
        }
    }
    None
}

fn same_bytes(one: &mut File, other: &mut File) -> io::Result<bool> {
    let (mut one, mut other) = (io::BufReader::new(one).bytes(), io::BufReader::new(other).bytes());
    loop {
        match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(true),
            (a, b) if a == b => {}
            _ => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests;
