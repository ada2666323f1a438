//! The watch edge: roots, arming, listing, looking. It does what the core tells it to, one folder at a time, and
//! answers; it decides nothing, keeps no tree and no handle.
//!
//! ```text
//!  open ──► opener ──► root, backend ──► Opened
//!  list ──► pool ──► visit ──► lister (source.arm first) ──► Listed
//!  look ──► pool ──► visit ──► looker ──► Looked
//!  digest ──► pool ──► visit ──► digester ──► Digested
//!  kernel ──► inotify/reader ──► decode ──► HintRing        (or: notify ──► HintRing)
//!  mounts, what leads to a root ──► surroundings ──► Mounted, RootMoved
//! ```
//!
//! - Symbolic links are followed in the path of a root, never below it; what is neither a folder nor a regular file is
//!   never opened.
//! - Nothing here waits on the engine's thread: whatever may hang runs on threads that belong to one mount.
//! - A root that is not the folder it was when it was opened is [`FolderProblem::Gone`] in answers about the root
//!   itself and [`FolderProblem::Other`] in answers about folders below, never an empty folder.
//! - After [`WatchEdge::close`] nothing of the watch is begun; an answer or hint that was on its way may still come.
//!
//! [`FolderProblem::Gone`]: fsmon_core::io::FolderProblem::Gone
//! [`FolderProblem::Other`]: fsmon_core::io::FolderProblem::Other

mod digester;
mod ignores;
#[cfg(target_os = "linux")]
mod inotify;
#[cfg(not(target_os = "linux"))]
#[path = "no_inotify.rs"]
mod inotify;
mod lister;
mod looker;
mod mount;
mod notify;
mod opener;
mod own;
mod pool;
mod read;
mod source;
#[cfg(target_os = "linux")]
mod surroundings;
#[cfg(not(target_os = "linux"))]
#[path = "no_surroundings.rs"]
mod surroundings;
mod survey;
mod sys;
mod threads;
mod visit;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fsmon_core::io::{DigestRequest, ListRequest, LookRequest, NodeId, OpenRequest, WatchId};

use self::opener::Opener;
pub use self::own::OwnFiles;
use self::pool::{Job, Pool};
pub use self::read::Reading;
pub use self::survey::Surveyor;
use self::threads::Threads;
use crate::edges::{HintRing, Inbox, WatchEdge};

/// The type of the file system that a path is on, as `ext4` or `fuse.sshfs`. Follows links; may wait for the mount.
pub fn fs_type_at(path: &std::path::Path) -> std::io::Result<String> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let base = sys::open_root(folder)?;
    let facts = sys::look_at_fd(std::os::fd::AsFd::as_fd(&base))?;
    Ok(sys::fs_type_of_root(std::os::fd::AsFd::as_fd(&base), &facts)?)
}

/// How long the end waits for threads; one that is still there then is inside a mount that hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// The edge. Dropping it ends its threads.
pub struct Watching {
    opener: Opener,
    threads: Threads,
    /// Asked since the last flush, in order.
    pending: Vec<(Pool, Job)>,
}

impl Watching {
    /// Starts the edge. Answers go to `inbox`, hints to `ring`; when these are full its threads wait.
    pub fn start(inbox: Inbox, ring: HintRing, own: OwnFiles) -> Self {
        Self::start_with(inbox, ring, own, notify::refusal())
    }

    fn start_with(inbox: Inbox, ring: HintRing, own: OwnFiles, notify_refused: Option<String>) -> Self {
        let threads = Threads::default();
        let opener = Opener::new(threads.clone(), inbox, ring, own, notify_refused);
        Self { opener, threads, pending: Vec::new() }
    }

    /// Ends all threads, waiting two seconds at most. Returns how many hang in a mount and were left behind.
    pub fn shutdown(mut self) -> usize {
        self.end()
    }

    fn end(&mut self) -> usize {
        self.pending.clear();
        self.opener.quit();
        self.threads.stop(PATIENCE)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let left = self.end();
        if left > 0 {
            tracing::warn!(left, "threads hang in a mount that does not answer and were left behind");
        }
    }
}

impl WatchEdge for Watching {
    fn open(&mut self, request: OpenRequest) {
        self.close(request.watch);
        self.opener.open(request);
    }

    fn close(&mut self, watch: WatchId) {
        let Some((root, pool)) = self.opener.close(watch) else { return };
        root.closed.store(true, Ordering::Release);
        self.pending.retain(|(_, job)| !job.is_of(&root));
        pool.forget(&root);
        if let Some(source) = &root.source {
            source.close(watch);
        }
        // The last holder of a source closes it, which may take long or hang: a worker.
        pool.push([Job::Tidy(root)]);
    }

    fn list(&mut self, request: ListRequest) {
        let Some((root, pool)) = self.opener.get(request.watch) else { return late(request.watch) };
        let ticket = match &root.source {
            Some(source) if request.arm => Some(source.want((request.watch, request.folder))),
            _ => None,
        };
        self.pending.push((pool, Job::List(root, request, ticket)));
    }

    fn look(&mut self, request: LookRequest) {
        let Some((root, pool)) = self.opener.get(request.watch) else { return late(request.watch) };
        self.pending.push((pool, Job::Look(root, request)));
    }

    fn digest(&mut self, request: DigestRequest) {
        let Some((root, pool)) = self.opener.get(request.watch) else { return late(request.watch) };
        self.pending.push((pool, Job::Digest(root, request)));
    }

    fn disarm(&mut self, watch: WatchId, folder: NodeId) {
        let Some((root, pool)) = self.opener.get(watch) else { return };
        if let Some(source) = &root.source {
            source.disarm((watch, folder));
            self.pending.push((pool, Job::Tidy(Arc::clone(&root))));
        }
    }

    fn flush(&mut self) {
        self.opener.kick();
        let mut pending = self.pending.drain(..).peekable();
        while let Some((pool, job)) = pending.next() {
            let mut jobs = vec![job];
            while let Some((_, job)) = pending.next_if(|(next, _)| next.is(&pool)) {
                jobs.push(job);
            }
            pool.push(jobs);
        }
    }
}

/// A request for a watch that is not open: the core has closed it meanwhile and waits for nothing.
fn late(watch: WatchId) {
    tracing::debug!(?watch, "request for a watch that is not open");
}
