//! Walks a tree once for a dry run, with the lister that a watch uses: nothing is armed, nothing is kept.
//!
//! It runs on a thread of its own, one walk at a time, and is given up after a while: a mount that hangs holds up
//! nobody but other dry runs.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fsmon_core::io::{FolderProblem, ListPart, ListRequest, NodeId, WatchId};
use fsmon_core::preview::{Preview, Reach, Trial};
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::rpc_types::DryRun;
use fsmon_protocol::{ApiError, ErrorKind, RawPath};
use futures::FutureExt;
use futures::future::BoxFuture;
use rustix::io::Errno;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::lister;
use super::mount::Class;
use super::own::OwnFiles;
use super::sys;
use super::visit::{Root, Visit};
use crate::edges::Survey;

/// How long a walk may take; what was found until then is told, as incomplete.
const LONGEST_WALK: Duration = Duration::from_secs(15);
/// How long it is waited for, beyond that, where the file system itself does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The edge.
pub struct Surveyor {
    own: OwnFiles,
    one: Arc<Semaphore>,
}

impl Surveyor {
    /// Nothing is walked yet.
    pub fn new(own: OwnFiles) -> Self {
        Self { own, one: Arc::new(Semaphore::new(1)) }
    }
}

impl Survey for Surveyor {
    fn survey(&self, trial: Trial) -> BoxFuture<'_, Result<DryRun, ApiError>> {
        async move {
            let preview = Preview::new(trial)?;
            let late = |what: &str| {
                ApiError::new(ErrorKind::TimedOut, what).hint("its mount may hang: see mount, and try ls there")
            };
            let Ok(Ok(place)) = timeout(PATIENCE, Arc::clone(&self.one).acquire_owned()).await else {
                return Err(late("another dry run is still looking at its files"));
            };
            let own = self.own.clone();
            let walk = tokio::task::spawn_blocking(move || {
                let _place = place;
                walk(preview, &own, Instant::now() + LONGEST_WALK)
            });
            match timeout(LONGEST_WALK + PATIENCE, walk).await {
                Ok(Ok(found)) => found,
                Ok(Err(failed)) => Err(ApiError::bug(format!("the dry run failed: {failed}"))),
                Err(_) => Err(late("the file system does not tell what is in the tree")),
            }
        }
        .boxed()
    }
}

/// A folder that is still to be read.
struct Folder {
    rel: Vec<u8>,
    depth: u32,
    reach: Reach,
}

/// Reads all folders that the rules reach into, until the time is over.
fn walk(mut preview: Preview, own: &OwnFiles, until: Instant) -> Result<DryRun, ApiError> {
    let path = preview.root().clone();
    let root = root(&path).map_err(|error| {
        ApiError::refused(format!("{path} can't be looked at: {error}")).hint("a dry run needs a root that is there")
    })?;
    let visit = Visit::begin(Arc::new(root), own.now());
    let mut folders = vec![Folder { rel: Vec::new(), depth: 0, reach: preview.reach_of_root() }];
    while let Some(folder) = folders.pop() {
        if Instant::now() >= until {
            preview.incomplete();
            break;
        }
        read(&visit, &folder, &mut folders, &mut preview, until);
    }
    Ok(preview.finish())
}

/// Reads one folder: files go to the preview, folders to the list of those still to be read.
fn read(visit: &Visit, folder: &Folder, folders: &mut Vec<Folder>, preview: &mut Preview, until: Instant) {
    let request = ListRequest {
        watch: WatchId(0),
        folder: NodeId::ROOT,
        path: RawPath::from(&folder.rel[..]),
        inode: 0,
        arm: false,
        ignores: preview.ask_ignores(),
        scan: 0,
    };
    lister::list(visit, &request, |part| {
        match part {
            ListPart::Ignores(read) => preview.ignores(&folder.rel, read),
            ListPart::Entries(entries) => {
                for (name, stat) in entries.iter().filter(|(_, stat)| !stat.own) {
                    let rel = join(&folder.rel, name);
                    if stat.file_type != FileType::Dir {
                        preview.file(folder.reach, &rel, stat);
                    } else if let Some(reach) = preview.folder(folder.reach, &rel, folder.depth + 1) {
                        folders.push(Folder { rel, depth: folder.depth + 1, reach });
                    }
                }
            }
            ListPart::Done { .. } => preview.folder_read(),
            // What is gone by now has nothing to show, and what the kernel makes up is never entered.
            ListPart::Failed(FolderProblem::Gone | FolderProblem::PseudoFileSystem) => {}
            ListPart::Failed(_) => preview.incomplete(),
        }
        if Instant::now() < until {
            return true;
        }
        preview.incomplete();
        false
    });
}

fn root(path: &RawPath) -> Result<Root, Errno> {
    let path: PathBuf = path.as_path().to_owned();
    let base = sys::open_root(&path)?;
    let facts = sys::look_at_fd(base.as_fd())?;
    let class = Class::of(&sys::fs_type_of_root(base.as_fd(), &facts)?);
    Ok(Root { path, facts, class, source: None, closed: AtomicBool::new(false) })
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}
