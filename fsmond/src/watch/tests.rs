//! The edge against the real kernel. What both sources must do is in `contract`, run for each of them.

mod contract;
mod cost;
mod digest;
mod faults;
mod limits;
mod own;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fsmon_core::Input;
use fsmon_core::io::{
    Armed, AskIgnores, FolderProblem, Hint, HintWhat, ListPart, ListRequest, LookRequest, Looked, NameHint, NodeId,
    OpenRequest, RootFacts, RootProblem, Seen, Stat, WatchId,
};
use fsmon_protocol::RawPath;
use fsmon_protocol::spec::Backend;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::{OwnFiles, Watching};
use crate::edges::WatchEdge;

/// How long anything may take before a test has failed.
const LIMIT: Duration = Duration::from_secs(20);
pub const W: WatchId = WatchId(1);

/// The edge with both ends of what the engine would hold.
pub struct Bench {
    pub edge: Watching,
    pub inbox: mpsc::Receiver<Input>,
    pub ring: mpsc::Receiver<Vec<Hint>>,
    pub own: OwnFiles,
    pub dir: TempDir,
    hints: Vec<Hint>,
    mounted: Vec<RawPath>,
}

/// What a whole listing said.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    pub entries: BTreeMap<Vec<u8>, Stat>,
    pub end: Result<(Armed, u64), FolderProblem>,
}

/// A folder's node.
pub fn node(index: u32) -> NodeId {
    NodeId { index, generation: 0 }
}

/// Asks for a folder to be listed, and neither armed nor asked for its ignore file.
pub fn asking(folder: NodeId, path: &[u8], scan: u32) -> ListRequest {
    ListRequest { watch: W, folder, path: path.into(), inode: 0, arm: false, ignores: AskIgnores::No, scan }
}

/// A hint about a name.
pub fn name(folder: NodeId, name: &[u8], how: NameHint, dir: bool) -> HintWhat {
    HintWhat::Name { folder, name: name.into(), how, dir }
}

impl Bench {
    pub fn new() -> Self {
        Self::with_ring(64)
    }

    pub fn with_ring(batches: usize) -> Self {
        let (to_inbox, inbox) = mpsc::channel(64);
        let (to_ring, ring) = mpsc::channel(batches);
        let own = OwnFiles::default();
        let edge = Watching::start_with(to_inbox, to_ring, own.clone(), None);
        let dir = tempfile::tempdir().unwrap();
        Self { edge, inbox, ring, own, dir, hints: Vec::new(), mounted: Vec::new() }
    }

    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(below)
    }

    pub fn odd(&self, below: &[u8]) -> PathBuf {
        self.dir.path().join(OsStr::from_bytes(below))
    }

    /// The next answer. Mounts are told to everybody, those of other tests too: they are kept apart.
    pub fn answer(&mut self) -> Input {
        let until = Instant::now() + LIMIT;
        loop {
            match self.inbox.try_recv() {
                Ok(Input::Mounted(points)) => self.mounted.extend(points),
                Ok(input) => return input,
                Err(TryRecvError::Empty) if Instant::now() < until => std::thread::sleep(Duration::from_micros(200)),
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// Waits until it is told that something was mounted or unmounted here.
    pub fn mounted(&mut self, point: &Path) {
        let point = RawPath::from(point.to_owned());
        let until = Instant::now() + LIMIT;
        while !self.mounted.contains(&point) {
            match self.inbox.try_recv() {
                Ok(Input::Mounted(points)) => self.mounted.extend(points),
                Err(TryRecvError::Empty) if Instant::now() < until => std::thread::sleep(Duration::from_micros(200)),
                other => panic!("no mount: {other:?}"),
            }
        }
        self.mounted.retain(|told| *told != point);
    }

    pub fn open_at(&mut self, watch: WatchId, root: &Path, backend: Backend) -> Result<RootFacts, RootProblem> {
        self.edge.open(OpenRequest { watch, root: root.into(), backend });
        self.edge.flush();
        match self.answer() {
            Input::Opened { watch: answered, result } => {
                assert_eq!(answered, watch);
                result
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn open(&mut self, backend: Backend) -> RootFacts {
        let root = self.dir.path().to_owned();
        let facts = self.open_at(W, &root, backend).unwrap();
        assert_eq!(facts.backend, backend);
        facts
    }

    pub fn list_of(&mut self, watch: WatchId, folder: NodeId, path: &[u8], arm: bool) -> Whole {
        self.edge.list(ListRequest { watch, arm, ..asking(folder, path, 7) });
        self.edge.flush();
        let mut entries = BTreeMap::new();
        loop {
            let Input::Listed(parts) = self.answer() else { panic!("not a listing") };
            for part in parts {
                assert_eq!((part.watch, part.folder, part.scan), (watch, folder, 7));
                match part.part {
                    ListPart::Entries(some) => {
                        assert!(some.len() <= super::lister::PART);
                        entries.extend(some.into_iter().map(|(name, stat)| (name.into_vec(), stat)));
                    }
                    ListPart::Ignores(read) => panic!("{read:?}"),
                    ListPart::Done { armed, inode } => return Whole { entries, end: Ok((armed, inode)) },
                    ListPart::Failed(problem) => return Whole { entries, end: Err(problem) },
                }
            }
        }
    }

    pub fn list(&mut self, folder: NodeId, path: &str) -> Whole {
        self.list_of(W, folder, path.as_bytes(), true)
    }

    /// Lists and expects it to be armed.
    pub fn arm(&mut self, folder: NodeId, path: &str) {
        let whole = self.list(folder, path);
        assert!(matches!(whole.end, Ok((Armed::Yes, _))), "{whole:?}");
    }

    pub fn look(&mut self, folder: NodeId, path: &str, names: &[&[u8]]) -> Looked {
        let names = names.iter().map(|name| (*name).into()).collect();
        self.edge.look(LookRequest {
            check: false,
            watch: W,
            folder,
            path: RawPath::from(path),
            inode: 0,
            names,
            tag: 3,
        });
        self.edge.flush();
        let Input::Looked(mut looked) = self.answer() else { panic!("not a look") };
        assert_eq!(looked.len(), 1);
        looked.remove(0)
    }

    /// Waits until `enough` says so of all hints since the last call, and gives them.
    pub fn hints_until(&mut self, enough: impl Fn(&[Hint]) -> bool) -> Vec<Hint> {
        let until = Instant::now() + LIMIT;
        while !enough(&self.hints) {
            match self.ring.try_recv() {
                Ok(more) => self.hints.extend(more),
                Err(TryRecvError::Empty) if Instant::now() < until => std::thread::sleep(Duration::from_micros(200)),
                Err(error) => panic!("{error}; hints so far: {:#?}", self.hints),
            }
        }
        std::mem::take(&mut self.hints)
    }

    /// Waits for this hint of the first watch.
    pub fn hint(&mut self, what: &HintWhat) -> Vec<HintWhat> {
        let hints = self.hints_until(|hints| hints.iter().any(|hint| hint.watch == W && hint.what == *what));
        hints.into_iter().map(|hint| hint.what).collect()
    }

    /// All hints that come before one that a new file in an armed folder causes.
    pub fn hints_before_mark(&mut self, folder: NodeId, path: &str) -> Vec<HintWhat> {
        let mark = b".mark";
        std::fs::write(self.path(path).join(".mark"), "").unwrap();
        let mut hints = self.hint(&name(folder, mark, NameHint::Closed, false));
        hints.retain(|what| !matches!(what, HintWhat::Name { name, .. } if **name == *mark));
        std::fs::remove_file(self.path(path).join(".mark")).unwrap();
        self.hint(&name(folder, mark, NameHint::Deleted, false));
        hints
    }
}

/// Handles of this process that lead into a folder.
pub fn handles_into(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        if let Ok(target) = std::fs::read_link(entry.unwrap().path())
            && target.starts_with(dir)
        {
            found.push(target);
        }
    }
    found
}

/// Waits until something is so.
pub fn wait_until(what: &str, so: impl Fn() -> bool) {
    let until = Instant::now() + LIMIT;
    while !so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What was seen of one name.
pub fn seen(looked: &Looked, at: usize) -> &Seen {
    &looked.result.as_ref().unwrap()[at].1
}
