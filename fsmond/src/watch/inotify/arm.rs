//! Giving folders to the kernel and taking them back. Called by workers: a hung mount may hang these.

use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::Ordering;

use fsmon_core::io::Armed;
use rustix::fs::inotify::{WatchFlags, add_watch, remove_watch};
use rustix::io::Errno;

use super::super::source::Key;
use super::super::threads::lock;
use super::Instance;

/// All that may change what a file is; reading makes no event. No events of files that are open but have no name any
/// more.
const MASK: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::EXCL_UNLINK);

/// Arms an open folder. The path leads the kernel to exactly this folder, whatever its name is by now.
pub fn arm(instance: &Instance, key: Key, folder: BorrowedFd<'_>) -> Armed {
    let arming = lock(&instance.arming);
    if !lock(&instance.map).is_wanted(key) {
        return Armed::NotAsked;
    }
    if instance.quit.load(Ordering::Acquire) {
        return Armed::Failed("nobody reads its events any more".to_owned());
    }
    let mut path = [0_u8; 32];
    let Some(path) = fd_path(&mut path, folder) else { return Armed::Failed("no path".to_owned()) };
    match add_watch(&instance.fd, path, MASK) {
        Ok(wd) if lock(&instance.map).install(key, wd) => Armed::Yes,
        Ok(_) => {
            drop(arming);
            give_back(instance);
            Armed::NotAsked
        }
        Err(Errno::NOSPC) => Armed::NoMoreWatches,
        Err(Errno::NOENT) => Armed::Failed("/proc is not mounted here: inotify needs it to arm a folder".to_owned()),
        Err(error) => Armed::Failed(format!("inotify_add_watch: {error}")),
    }
}

/// Gives back the descriptors that stand for nothing any more.
pub fn give_back(instance: &Instance) {
    loop {
        let _arming = lock(&instance.arming);
        let Some(wd) = next_unused(instance) else { return };
        // EINVAL: the kernel has taken it back by itself, its folder being gone.
        if let Err(error) = remove_watch(&instance.fd, wd)
            && error != Errno::INVAL
        {
            tracing::debug!(wd, %error, "inotify_rm_watch");
        }
    }
}

fn next_unused(instance: &Instance) -> Option<i32> {
    let mut map = lock(&instance.map);
    loop {
        let wd = map.take_unused()?;
        // The same folder may have been armed again since.
        if !map.is_used(wd) {
            return Some(wd);
        }
    }
}

fn fd_path<'a>(buffer: &'a mut [u8; 32], folder: BorrowedFd<'_>) -> Option<&'a CStr> {
    let mut rest = buffer.as_mut_slice();
    write!(rest, "/proc/self/fd/{}\0", folder.as_raw_fd()).ok()?;
    CStr::from_bytes_until_nul(buffer).ok()
}
