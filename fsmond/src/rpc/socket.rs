//! The socket that fsmonctl connects to: made so that at no instant anybody but those meant can connect.
//!
//! A socket that is there already is only removed while the lock beside it is ours and nobody answers on it. A socket
//! that the service manager handed over is never made, changed or removed here.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use fsmon_protocol::rpc::places::check_socket_path;
use fsmon_protocol::{ApiError, RawPath};
use rustix::fs::{Gid, Mode};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use tokio::net::UnixListener;
use tracing::info;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// Who may connect, as the file system decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Permission bits, 0600 where nothing else is configured.
    pub mode: u32,
    /// Group of the socket, where one is configured.
    pub group: Option<u32>,
}

/// A socket that is ours. Dropping it removes it, if it is still the one that was made, and then gives up the lock.
#[derive(Debug)]
pub struct Bound<L> {
    /// Where it is.
    path: PathBuf,
    /// Device and inode of what was made.
    identity: (u64, u64),
    _lock: L,
}

impl<L> Drop for Bound<L> {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if ours {
            // Nobody can act on a failure here; a socket left behind is stale and is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the socket at an absolute path and listens on it. `take_lock` takes the lock `<socket>.lock`, which is then
/// held as long as the socket; it is called before anything at the path is touched. Needs a tokio runtime.
///
/// # Errors
/// A path that is too long, a folder in which others could put something else at its place, something at the path
/// that is no stale socket, and whatever the system refuses; each names the path.
pub fn bind<L>(
    path: &Path,
    access: Access,
    take_lock: impl FnOnce(&Path) -> Result<L, ApiError>,
) -> Result<(UnixListener, Bound<L>), ApiError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        ApiError::refused(format!("the socket {} can't be {what}: {error}", RawPath::from(path)))
            .hint("choose another one with --socket, or see who may write there")
    };
    check_socket_path(path)?;
    check_folder(path)?;
    let mut lock_path = path.as_os_str().to_os_string();
    lock_path.push(".lock");
    let lock = take_lock(Path::new(&lock_path))?;
    remove_stale(path)?;
    // Before it has its group, that bit of the mode would mean another one.
    let first_mode = if access.group.is_some() { access.mode & 0o700 } else { access.mode };
    let socket = make(path, first_mode).map_err(|error| failed("made", &error))?;
    let found = fs::symlink_metadata(path).map_err(|error| failed("found again", &error))?;
    // From here on it is removed again if anything fails.
    let bound = Bound { path: path.into(), identity: (found.dev(), found.ino()), _lock: lock };
    if let Some(group) = access.group {
        rustix::fs::chown(path, None, Some(Gid::from_raw(group))).map_err(|error| failed("given its group", &error))?;
    }
    let mode = fs::Permissions::from_mode(access.mode);
    fs::set_permissions(path, mode).map_err(|error| failed("given its mode", &error))?;
    check_made(path, access, bound.identity)?;
    rustix::net::listen(&socket, BACKLOG).map_err(|error| failed("listened on", &error))?;
    let listener = UnixListener::from_std(StdListener::from(socket)).map_err(|error| failed("listened on", &error))?;
    Ok((listener, bound))
}

/// Refuses a folder in which others could put something else at the socket's place.
fn check_folder(path: &Path) -> Result<(), ApiError> {
    let none = || ApiError::usage(format!("the socket's path {} has no folder", RawPath::from(path)));
    let parent = path.parent().filter(|parent| parent.is_absolute()).ok_or_else(none)?;
    let parent = fs::canonicalize(parent).map_err(|error| {
        ApiError::refused(format!("the socket's folder {} can't be used: {error}", RawPath::from(parent)))
            .hint("make it first, or choose another socket with --socket")
    })?;
    let own = rustix::process::geteuid().as_raw();
    for (level, folder) in parent.ancestors().enumerate() {
        let shown = RawPath::from(folder);
        let found = fs::symlink_metadata(folder)
            .map_err(|error| ApiError::refused(format!("the socket's folder {shown} can't be looked at: {error}")))?;
        let hint = "choose a socket in a folder that only you can write, with --socket";
        if level == 0 && ![0, own].contains(&found.uid()) {
            let owner = found.uid();
            return Err(ApiError::refused(format!("the socket's folder {shown} belongs to user {owner}, not to you"))
                .hint(hint));
        }
        // In a sticky folder others can't move what is ours; the socket itself would still be one name among theirs.
        let sticky = found.mode() & 0o1000 != 0 && level > 0;
        if writable_by_others(&found) && !sticky {
            return Err(
                ApiError::refused(format!("the folder {shown} of the socket can be written by others")).hint(hint)
            );
        }
    }
    Ok(())
}

/// Whether users other than root and us can write there. Root's group and our own count as us.
fn writable_by_others(found: &fs::Metadata) -> bool {
    let group_is_ours = [0, rustix::process::getegid().as_raw()].contains(&found.gid());
    found.mode() & 0o002 != 0 || (found.mode() & 0o020 != 0 && !group_is_ours)
}

/// Removes a socket that nobody listens on; refuses anything else that is there. The lock is ours here.
fn remove_stale(path: &Path) -> Result<(), ApiError> {
    let shown = RawPath::from(path);
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ApiError::refused(format!("the socket {shown} can't be looked at: {error}"))),
    };
    if !found.file_type().is_socket() {
        return Err(ApiError::refused(format!("{shown} is there and is no socket"))
            .hint("move it away, or choose another socket with --socket"));
    }
    if is_answered(path) {
        return Err(ApiError::refused(format!("something listens on {shown} already"))
            .hint("stop it, or choose another socket with --socket"));
    }
    info!(socket = %shown, "a socket that nobody listens on is removed");
    fs::remove_file(path)
        .map_err(|error| ApiError::refused(format!("the old socket {shown} can't be removed: {error}")))
}

/// Whether somebody listens there. Never waits; in doubt, yes.
fn is_answered(path: &Path) -> bool {
    let Ok(address) = SocketAddrUnix::new(path) else { return true };
    let Ok(probe) = stream_socket() else { return true };
    rustix::net::connect(&probe, &address) != Err(rustix::io::Errno::CONNREFUSED)
}

#[cfg(target_os = "linux")]
fn stream_socket() -> rustix::io::Result<OwnedFd> {
    let flags = rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

#[cfg(not(target_os = "linux"))]
fn stream_socket() -> rustix::io::Result<OwnedFd> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

/// Binds. On Linux the mode that the descriptor has is the one the name gets, less the umask, in the same instant.
#[cfg(target_os = "linux")]
fn make(path: &Path, mode: u32) -> rustix::io::Result<OwnedFd> {
    let socket = stream_socket()?;
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode))?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Binds. Only the umask decides the mode at that instant, so for a moment it allows the owner alone.
#[cfg(not(target_os = "linux"))]
fn make(path: &Path, _mode: u32) -> rustix::io::Result<OwnedFd> {
    let socket = stream_socket()?;
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = SocketAddrUnix::new(path).and_then(|address| rustix::net::bind(&socket, &address));
    rustix::process::umask(before);
    bound.map(|()| socket)
}

/// Looks whether what is at the path is what was made, with the access that was meant.
fn check_made(path: &Path, access: Access, identity: (u64, u64)) -> Result<(), ApiError> {
    let shown = RawPath::from(path);
    let found = fs::symlink_metadata(path)
        .map_err(|error| ApiError::refused(format!("the socket {shown} can't be looked at: {error}")))?;
    let right = found.file_type().is_socket()
        && (found.dev(), found.ino()) == identity
        && found.uid() == rustix::process::geteuid().as_raw()
        && found.mode() & 0o7777 == access.mode
        && access.group.is_none_or(|group| found.gid() == group);
    if right {
        return Ok(());
    }
    Err(ApiError::refused(format!("the socket {shown} is not as it was made: somebody else changes its folder"))
        .hint("choose a socket in a folder that only you can write, with --socket"))
}

#[cfg(test)]
mod tests;
