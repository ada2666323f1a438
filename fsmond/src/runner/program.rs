//! Which file a command's program is, and why it could not be started, in words.
//!
//! The file is looked for here and not by the system, for two reasons: it must be found in the command's own `PATH`,
//! and only with its whole path can the standard library use `posix_spawn`, which is several times faster than `fork`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use fsmon_protocol::RawPath;
use fsmon_protocol::path::escape;
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::environment::{Environment, USUAL_PATH};

/// The file that `program` names, absolute. One with a slash is relative to the folder the command runs in; one
/// without is looked for in `PATH` as the command will see it. Entries of `PATH` that are not absolute are not
/// searched: what is run must not depend on what lies in a watched folder.
pub(super) fn find(program: &OsStr, folder: &Path, environment: &Environment<'_>) -> Result<OsString, String> {
    let shown = escape(program.as_bytes());
    if program.as_bytes().contains(&b'/') {
        return Ok(folder.join(program).into_os_string());
    }
    let path = environment.get("PATH").map_or(USUAL_PATH.as_bytes(), |path| path.as_bytes());
    let mut not_executable = None;
    for entry in path.split(|&b| b == b':').filter(|entry| entry.first() == Some(&b'/')) {
        let file = Path::new(OsStr::from_bytes(entry)).join(program);
        if !file.is_file() {
            continue;
        }
        if access(&file, Access::EXEC_OK).is_ok() {
            return Ok(file.into_os_string());
        }
        not_executable.get_or_insert(file);
    }
    Err(match not_executable {
        Some(file) => format!("'{}' is not executable: see its mode", RawPath::from(file)),
        None => format!(
            "'{shown}' was not found in PATH, which is the daemon's unless --env says another one: install it, or give the \
             whole path of the program"
        ),
    })
}

/// The file that `program` names, if it could be started now, else why not. What cannot be told is left to the start.
pub(super) fn check(program: &OsStr, folder: &Path, environment: &Environment<'_>) -> Result<OsString, String> {
    let file = find(program, folder, environment)?;
    let shown = escape(program.as_bytes());
    match std::fs::metadata(&file) {
        Ok(found) if found.is_dir() => Err(format!("'{shown}' is a folder, no program")),
        Ok(_) if access(&file, Access::EXEC_OK) == Err(Errno::ACCESS) => {
            Err(format!("'{shown}' is not executable: see its mode"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("'{shown}' is not there: install it, or correct its path"))
        }
        Ok(_) | Err(_) => Ok(file),
    }
}

/// Why a command could not be started, in a sentence that says what to do.
pub(super) fn explain(error: &io::Error, program: &OsStr, folder: &Path) -> String {
    let file = Path::new(program);
    let shown = escape(program.as_bytes());
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    if matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS)) && std::fs::read_dir(folder).is_err() {
        let folder = RawPath::from(folder);
        return format!("the folder to run in, '{folder}', is not there or cannot be entered: see --cwd");
    }
    match errno {
        Some(Errno::NOENT) if file.exists() => {
            format!("'{shown}' needs an interpreter that is not there: see its first line")
        }
        Some(Errno::NOENT | Errno::NOTDIR) => format!("'{shown}' is not there"),
        Some(Errno::ACCESS) if file.is_dir() => format!("'{shown}' is a folder, no program"),
        Some(Errno::ACCESS | Errno::PERM) => {
            format!("'{shown}' may not be executed: see its mode, and whether its file system is mounted noexec")
        }
        Some(Errno::NOEXEC) => {
            format!("'{shown}' is neither a program for this machine nor a script that begins with #!")
        }
        Some(Errno::TOOBIG) => {
            "its arguments and environment are too long for the system: see the length of the path and --env".into()
        }
        Some(Errno::AGAIN) => "the system starts no more processes for this user: see its limits on processes".into(),
        Some(Errno::NOMEM) => "there is not enough memory to start a process".into(),
        Some(Errno::MFILE | Errno::NFILE) => "no more files can be opened: see the limits on open files".into(),
        Some(Errno::TXTBSY) => format!("'{shown}' is being written to"),
        _ => format!("'{shown}' could not be started: {error}"),
    }
}
