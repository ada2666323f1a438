//! Reads single folders and looks at single paths beside the watches, with what they use for it: nothing is armed,
//! nothing is kept.
//!
//! One at a time, on a thread of its own that is given up after a while: a mount that hangs holds up nobody but others
//! who ask. Must never be used for what the core asks: that goes through the pool of the mount.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fsmon_core::io::{AskIgnores, FolderProblem, ListPart, ListRequest, Name, NodeId, Seen, Sighting, Stat, WatchId};
use fsmon_protocol::RawPath;
use fsmon_protocol::fingerprint::FileType;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::lister;
use super::looker;
use super::mount::Class;
use super::own::OwnFiles;
use super::sys;
use super::visit::{Root, Visit, problem};
use crate::edges::Folders;

/// How long reading a folder may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long looking at a path may take.
const LOOK: Duration = Duration::from_secs(5);

/// The edge.
pub struct Reading {
    own: OwnFiles,
    readers: Arc<Semaphore>,
    lookers: Arc<Semaphore>,
}

impl Reading {
    /// Nothing is read yet.
    pub fn new(own: OwnFiles) -> Self {
        Self { own, readers: Arc::new(Semaphore::new(1)), lookers: Arc::new(Semaphore::new(1)) }
    }
}

impl Folders for Reading {
    fn read(&self, root: RawPath, folder: RawPath) -> BoxFuture<'_, Result<Vec<(Name, Stat)>, FolderProblem>> {
        let own = self.own.clone();
        let reading = one_at_a_time(&self.readers, PATIENCE, move || entries(&root, folder, &own));
        async move { reading.await.unwrap_or_else(Err) }.boxed()
    }

    fn trace(&self, root: RawPath, path: RawPath, check: bool) -> BoxFuture<'_, Sighting> {
        let own = self.own.clone();
        let looking = one_at_a_time(&self.lookers, LOOK, move || sighting(&root, &path, check, &own));
        async move { looking.await.unwrap_or_else(|why| Sighting { names: Vec::new(), end: Err(why) }) }.boxed()
    }
}

/// Does something that may hang on a thread of its own, and gives it up after a while.
async fn one_at_a_time<T: Send + 'static>(
    places: &Arc<Semaphore>,
    patience: Duration,
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, FolderProblem> {
    let hangs = || FolderProblem::Other("its file system does not answer".to_owned());
    let acting = async {
        // It is held by the thread: one that hangs keeps others from hanging beside it.
        let place = Arc::clone(places).acquire_owned().await.map_err(|_| hangs())?;
        let acting = spawn_blocking(move || {
            let _place = place;
            act()
        });
        acting.await.map_err(|failed| FolderProblem::Other(failed.to_string()))
    };
    timeout(patience, acting).await.unwrap_or_else(|_| Err(hangs()))
}

/// Looks at each name of a path, from the root on, and stops at what is no folder.
fn sighting(root: &RawPath, path: &RawPath, check: bool, own: &OwnFiles) -> Sighting {
    let mut seen = Vec::new();
    let end = (|| {
        let visit = Visit::begin(Arc::new(unarmed(root)?), own.now());
        let mut folder = RawPath::from(Vec::new());
        for name in path.as_bytes().split(|&b| b == b'/').filter(|name| !name.is_empty()) {
            let entered = visit.enter(folder.as_bytes(), 0, false)?;
            match looker::see(&visit, &entered, name, check)? {
                Seen::Here(stat) => {
                    seen.push(stat);
                    if stat.file_type != FileType::Dir {
                        return Ok(());
                    }
                }
                Seen::Gone => return Err(FolderProblem::Gone),
                Seen::Unknown(why) => return Err(FolderProblem::Other(why)),
            }
            folder = folder.join(name);
        }
        visit.enter(folder.as_bytes(), 0, false).map(drop)
    })();
    Sighting { names: seen, end }
}

fn entries(root: &RawPath, folder: RawPath, own: &OwnFiles) -> Result<Vec<(Name, Stat)>, FolderProblem> {
    let visit = Visit::begin(Arc::new(unarmed(root)?), own.now());
    let request = ListRequest {
        watch: WatchId(0),
        folder: NodeId::ROOT,
        path: folder,
        inode: 0,
        arm: false,
        ignores: AskIgnores::No,
        scan: 0,
    };
    let (mut found, mut end) = (Vec::new(), Ok(()));
    lister::list(&visit, &request, |part| {
        match part {
            ListPart::Entries(entries) => found.extend(entries),
            ListPart::Ignores(_) | ListPart::Done { .. } => {}
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
