//! The file that a command is handed open, where it asks for that with `{fd}`: as descriptor 3, so that it reads the very
//! file that is meant, whatever anybody puts in the place of the file or of a folder above it.
//!
//! The new process opens it by itself, right before its program is loaded: as the user it runs as by then, whose rights
//! so decide, and without anything that the daemon would have to close. It is opened as [`super::beneath`] reaches it,
//! and only if it is a regular file. What goes wrong there comes back as the one number that the standard library hands
//! over from a new process; it tells the place on the way and the error, apart from every error of the system.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use fsmon_core::io::SpawnRequest;
use fsmon_core::template;
use fsmon_protocol::RawPath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawMode, fstat, openat, statat};
use rustix::io::{Errno, FdFlags, dup2, fcntl_setfd};

use super::beneath::{Blocked, open_folder};
use super::launch::NotStarted;

/// The number under which a command finds it.
const NUMBER: RawFd = 3;
/// The same as a path.
pub(super) const PLACE: &str = if cfg!(target_os = "linux") { "/proc/self/fd/3" } else { "/dev/fd/3" };

/// Folders are only gone through, so the right to search them is enough, where the system can open them for that alone.
#[cfg(target_os = "linux")]
const THROUGH: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const THROUGH: OFlags = OFlags::RDONLY;
/// Neither waits for anybody nor makes a terminal ours, should it be another file than the one that was looked at.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// From here on the numbers of errors are ours: this, the step on the way times [`STEP`], and the system's error.
const OURS: i32 = 1 << 30;
/// More than any error of a system.
const STEP: i32 = 1 << 12;
/// In place of an error: it is no regular file.
const NO_FILE: i32 = STEP - 1;
/// A path of more steps is told as if it ended here.
const LAST_STEP: usize = (1 << 17) - 1;

/// Keeps the number from being given to anything else for as long as this process lives. In a new process it is taken
/// without asking: there must be nothing there that its start needs. To be called before anything is opened.
pub(crate) fn keep_number() {
    static KEPT: OnceLock<Option<File>> = OnceLock::new();
    // The lowest free number is taken. Where that is not ours, whoever started us has put something there, and it stays.
    KEPT.get_or_init(|| File::open("/dev/null").ok().filter(|file| file.as_raw_fd() == NUMBER));
}

/// The file of a run and how it is reached, ready for a process in which nothing can be allocated.
#[derive(Debug, Clone)]
pub(super) struct Handed {
    root: CString,
    folders: Vec<CString>,
    name: CString,
}

impl Handed {
    /// That of this run, where its command asks for it.
    pub(super) fn of(request: &SpawnRequest) -> Result<Option<Self>, NotStarted> {
        if !template::takes_file(&request.rules.command) {
            return Ok(None);
        }
        // A name with a NUL stands for something that has no name any more.
        let name = |name: &OsStr| CString::new(name.as_bytes()).map_err(|_| NotStarted::Vanished);
        let rel = request.rel.as_path();
        let above = rel.parent().unwrap_or(Path::new(""));
        Ok(Some(Self {
            root: name(request.root.as_path().as_os_str())?,
            folders: above.iter().map(name).collect::<Result<_, _>>()?,
            name: name(rel.file_name().ok_or(NotStarted::Vanished)?)?,
        }))
    }

    /// Has the command open it before its program is loaded: last of all that is done then.
    #[allow(unsafe_code, reason = "the standard library hands over no descriptor but stdin, stdout and stderr")]
    pub(super) fn put_on(&self, command: &mut Command) {
        let file = self.clone();
        // SAFETY: what runs between fork and exec makes only system calls; it takes no lock and allocates nothing.
        unsafe {
            command.pre_exec(move || file.open().and_then(at_number));
        }
    }

    fn open(&self) -> io::Result<OwnedFd> {
        let folder = open_folder(self.root.as_c_str(), self.folders.iter().map(CString::as_c_str), THROUGH)
            .map_err(|Blocked { step, error }| number_of(step, error.raw_os_error()))?;
        let step = self.folders.len() + 1;
        let failed = |error: Errno| number_of(step, error.raw_os_error());
        // Looked at before it is opened, since opening a device may do something, and after, since it may be another.
        let there = statat(&folder, self.name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        check(step, there.st_mode)?;
        let file = openat(&folder, self.name.as_c_str(), FILE, Mode::empty()).map_err(failed)?;
        check(step, fstat(&file).map_err(failed)?.st_mode)?;
        Ok(file)
    }

    /// What an error of a start says about the file; none, where it is not about it.
    pub(super) fn explain(&self, error: &io::Error) -> Option<NotStarted> {
        let number = error.raw_os_error()?.checked_sub(OURS).filter(|&number| number >= 0)?;
        let (step, error) = (usize::try_from(number / STEP).unwrap_or(0), number % STEP);
        let path = RawPath::from(self.path_to(step));
        let because = |why: String| Some(NotStarted::Because(why));
        if error == NO_FILE {
            return because(format!("{path} is no regular file by now, so it was not opened for the command"));
        }
        match Errno::from_raw_os_error(error) {
            Errno::NOENT if step > 0 => Some(NotStarted::Vanished),
            Errno::NOTDIR | Errno::LOOP | Errno::MLINK if step > 0 => because(format!(
                "{path} is a symbolic link by now, or no folder, and {{fd}} is opened through none: nothing was read"
            )),
            Errno::ACCESS | Errno::PERM => because(format!(
                "{path} may not be opened for the command: see its mode and those of the folders above"
            )),
            Errno::AGAIN => because(format!("{path} is held by somebody who has a lease on it")),
            error => because(format!("{path} can't be opened for the command: {}", io::Error::from(error))),
        }
    }

    fn path_to(&self, step: usize) -> PathBuf {
        let names = self.folders.iter().chain([&self.name]).take(step);
        let below = names.map(|name| OsStr::from_bytes(name.as_bytes()));
        std::iter::once(OsStr::from_bytes(self.root.as_bytes())).chain(below).collect()
    }
}

fn number_of(step: usize, error: i32) -> io::Error {
    let step = i32::try_from(step.min(LAST_STEP)).unwrap_or(0);
    io::Error::from_raw_os_error(OURS + step * STEP + error)
}

fn check(step: usize, mode: RawMode) -> io::Result<()> {
    if FileType::from_raw_mode(mode) == FileType::RegularFile { Ok(()) } else { Err(number_of(step, NO_FILE)) }
}

/// Gives a file the number, and lets the program that is loaded next have it.
#[allow(unsafe_code, reason = "a number of one's own choice has no safe interface")]
fn at_number(file: OwnedFd) -> io::Result<()> {
    if file.as_raw_fd() == NUMBER {
        fcntl_setfd(&file, FdFlags::empty())?;
        let _ = file.into_raw_fd();
        return Ok(());
    }
    // SAFETY: what this process has under the number is a copy of what the daemon has there, which nothing here uses;
    // it is never dropped.
    let mut place = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(NUMBER) });
    Ok(dup2(&file, &mut place)?)
}

#[cfg(test)]
mod tests;
