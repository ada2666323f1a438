//! What every source of hints can do. It maps folders to what its system watches, and nothing else.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use fsmon_core::io::{Armed, NodeId, WatchId};

/// A folder of a watch.
pub type Key = (WatchId, NodeId);

/// A folder that is open now.
#[derive(Clone, Copy)]
pub struct Folder<'a> {
    /// Its handle, only for the time of the call.
    pub fd: BorrowedFd<'a>,
    /// Where the watch's root is.
    pub root: &'a std::path::Path,
    /// Its path relative to the root.
    pub path: &'a [u8],
}

impl Folder<'_> {
    /// Its absolute path, for sources that know nothing better.
    pub fn absolute(&self) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        if self.path.is_empty() {
            return self.root.to_owned();
        }
        self.root.join(std::ffi::OsStr::from_bytes(self.path))
    }
}

/// A source of hints. [`want`](Source::want), [`disarm`](Source::disarm) and [`close`](Source::close) are called by the
/// engine and never wait; [`arm`](Source::arm) and [`tidy`](Source::tidy) are called by workers and may.
pub trait Source: Send + Sync {
    /// Arming of this folder has been asked for and will be done by a worker. The ticket tells it from later requests.
    fn want(&self, key: Key) -> u64;
    /// Arms an open folder, if it is still wanted. Once this returns `Yes`, no event of it is lost without
    /// [`Overflow`](fsmon_core::io::HintWhat::Overflow) or
    /// [`SourceFailed`](fsmon_core::io::HintWhat::SourceFailed).
    fn arm(&self, key: Key, folder: Folder<'_>) -> Armed;
    /// The request with this ticket has been dealt with.
    fn done(&self, key: Key, ticket: u64);
    /// No more hints of this folder; [`tidy`](Source::tidy) is to be called soon.
    fn disarm(&self, key: Key);
    /// Gives back to the system what nobody uses any more.
    fn tidy(&self);
    /// No more hints of this watch. The source ends when its last watch is closed.
    fn close(&self, watch: WatchId);
}
