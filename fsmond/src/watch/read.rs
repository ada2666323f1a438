//! Reads single folders beside the watches, with the lister that they use: nothing is armed, nothing is kept.
//!
//! One folder at a time, on a thread of its own that is given up after a while: a mount that hangs holds up nobody but
//! others who read. Must never be used for what the core asks: that goes through the pool of the mount.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fsmon_core::io::{FolderProblem, ListPart, ListRequest, Name, NodeId, Stat, WatchId};
use fsmon_protocol::RawPath;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::lister;
use super::mount::Class;
use super::own::OwnFiles;
use super::sys;
use super::visit::{Root, Visit, problem};
use crate::edges::Folders;

/// How long reading a folder may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The edge.
pub struct Reading {
    own: OwnFiles,
    one: Arc<Semaphore>,
}

impl Reading {
    /// Nothing is read yet.
    pub fn new(own: OwnFiles) -> Self {
        Self { own, one: Arc::new(Semaphore::new(1)) }
    }
}

impl Folders for Reading {
    fn read(&self, root: RawPath, folder: RawPath) -> BoxFuture<'_, Result<Vec<(Name, Stat)>, FolderProblem>> {
        async move {
            let hangs = || FolderProblem::Other("its file system does not answer".to_owned());
            let own = self.own.clone();
            let reading = async {
                // It is held by the thread: one that hangs keeps others from hanging beside it.
                let place = Arc::clone(&self.one).acquire_owned().await.map_err(|_| hangs())?;
                let read = spawn_blocking(move || {
                    let _place = place;
                    entries(&root, folder, &own)
                });
                read.await.map_err(|failed| FolderProblem::Other(failed.to_string()))?
            };
            timeout(PATIENCE, reading).await.unwrap_or_else(|_| Err(hangs()))
        }
        .boxed()
    }
}

fn entries(root: &RawPath, folder: RawPath, own: &OwnFiles) -> Result<Vec<(Name, Stat)>, FolderProblem> {
    let visit = Visit::begin(Arc::new(unarmed(root)?), own.now());
    let request = ListRequest { watch: WatchId(0), folder: NodeId::ROOT, path: folder, inode: 0, arm: false, scan: 0 };
    let (mut found, mut end) = (Vec::new(), Ok(()));
    lister::list(&visit, &request, |part| {
        match part {
            ListPart::Entries(entries) => found.extend(entries),
            ListPart::Done { .. } => {}
            ListPart::Failed(problem) => end = Err(problem),
        }
        true
    });
    end.map(|()| found)
}

/// A root as it is now, without a source.
fn unarmed(path: &RawPath) -> Result<Root, FolderProblem> {
    let path: PathBuf = path.as_path().to_owned();
    let base = sys::open_root(&path).map_err(problem)?;
    let facts = sys::look_at_fd(base.as_fd()).map_err(problem)?;
    let class = Class::of(&sys::fs_type_of_root(base.as_fd(), &facts).map_err(problem)?);
    Ok(Root { path, facts, class, source: None, closed: AtomicBool::new(false) })
}
