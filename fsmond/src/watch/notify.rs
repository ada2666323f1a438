//! The portable source, on the `notify` crate: one watcher per watch, one watch of it per folder, never recursive.
//!
//! What it cannot do, where the system's own source can:
//! - It arms by path. A folder that is swapped for a symbolic link at that moment is noticed only right after; so a
//!   daemon that runs as root is refused this source on Linux.
//! - When a folder is renamed its watches go, and those below it: they are reported as disarmed.
//! - It cannot tell that the system's queue was read empty; the hint comes after a quiet moment instead.
//! - It cannot tell an unmount from a deletion, and on some systems neither who closed a file nor what renames pair.
//! - On Linux it also asks for events of opening, so that reading a tree fills its queue; and it has one descriptor per
//!   folder and watch, however many paths lead to it.
//!
//! Its handler runs on the thread that also answers to arming, so it must never wait: it puts what it gets into a ring
//! of its own, and a full one is told as an overflow.

mod decode;

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use fsmon_core::io::{Armed, Hint, HintWhat, NodeId, WatchId};
use notify::{Config, ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::source::{Folder, Key, Source};
use super::sys;
use super::threads::{Threads, lock};
use crate::edges::HintRing;

/// Events that wait for the forwarder at most.
const RING: usize = 16 * 1024;
/// Without events for so long, the system's queue is taken for read empty.
const QUIET: Duration = Duration::from_millis(20);

/// Why this source is refused to this process, if it is.
pub fn refusal() -> Option<String> {
    (cfg!(target_os = "linux") && rustix::process::geteuid().is_root()).then(|| {
        "the notify backend is refused to root, since it can be led out of the tree by a symbolic link: use --backend \
         auto, or run fsmond as another user"
            .to_owned()
    })
}

/// Starts a source for one watch. Fails with what the system said.
pub fn start(watch: WatchId, threads: &Threads, ring: &HintRing) -> Result<Arc<dyn Source>, String> {
    let shared = Arc::new(Shared {
        watch,
        paths: Mutex::default(),
        queue: Mutex::default(),
        lost: AtomicBool::new(false),
        quit: AtomicBool::new(false),
        forwarder: OnceLock::new(),
    });
    let handler = Arc::clone(&shared);
    let config = Config::default().with_follow_symlinks(false);
    let watcher = RecommendedWatcher::new(move |event| handler.put(event), config)
        .map_err(|error| format!("notify cannot be started: {error}"))?;
    let (own, all, ring) = (Arc::clone(&shared), threads.clone(), ring.clone());
    let forwarder = threads
        .spawn("watch-notify", move || own.forward(&all, &ring))
        .map_err(|error| format!("notify cannot be started: {error}"))?;
    let _first = shared.forwarder.set(forwarder);
    // An event may have come before there was anybody to wake.
    shared.forwarder.get().into_iter().for_each(Thread::unpark);
    Ok(Arc::new(NotifySource { watcher: Mutex::new(watcher), shared }))
}

struct NotifySource {
    watcher: Mutex<RecommendedWatcher>,
    shared: Arc<Shared>,
}

struct Shared {
    watch: WatchId,
    paths: Mutex<Paths>,
    queue: Mutex<Queue>,
    /// Set when the queue was full.
    lost: AtomicBool,
    quit: AtomicBool,
    forwarder: OnceLock<Thread>,
}

/// Events in the order they came, numbered.
#[derive(Default)]
struct Queue {
    events: VecDeque<notify::Result<notify::Event>>,
    /// The number of the first of them.
    first: u64,
}

impl Queue {
    /// The number of the next event that comes.
    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

/// The folders behind one path.
#[derive(Default)]
struct Place {
    nodes: Vec<NodeId>,
    /// Events with a lower number are about what was at this path before.
    since: u64,
}

/// Which path stands for which folders.
#[derive(Default)]
struct Paths {
    folders: HashMap<PathBuf, Place>,
    nodes: HashMap<NodeId, PathBuf>,
    wanted: HashMap<NodeId, u64>,
    tickets: u64,
    unused: Vec<PathBuf>,
}

impl Paths {
    /// Takes a folder off its path. Returns whether nobody uses the path now.
    fn release(&mut self, node: NodeId) -> Option<PathBuf> {
        let path = self.nodes.remove(&node)?;
        let place = self.folders.get_mut(&path)?;
        place.nodes.retain(|other| *other != node);
        place.nodes.is_empty().then(|| {
            self.folders.remove(&path);
            path
        })
    }

    /// The folders that an event with this number is about.
    fn at(&self, path: &Path, number: u64) -> &[NodeId] {
        self.folders.get(path).filter(|place| place.since <= number).map_or(&[], |place| &place.nodes)
    }

    /// Takes off all folders at a path or below it, which are not armed any more.
    fn forget(&mut self, path: &Path) -> Vec<NodeId> {
        let gone: Vec<PathBuf> = self.folders.keys().filter(|other| other.starts_with(path)).cloned().collect();
        let nodes: Vec<NodeId> =
            gone.iter().filter_map(|path| self.folders.remove(path)).flat_map(|place| place.nodes).collect();
        for node in &nodes {
            self.nodes.remove(node);
        }
        self.unused.extend(gone);
        nodes
    }
}

impl Shared {
    /// Takes what notify gives. Must not wait: notify's own thread calls it.
    fn put(&self, event: notify::Result<notify::Event>) {
        let mut queue = lock(&self.queue);
        if queue.events.len() < RING {
            queue.events.push_back(event);
        } else {
            self.lost.store(true, Ordering::Release);
        }
        drop(queue);
        if let Some(forwarder) = self.forwarder.get() {
            forwarder.unpark();
        }
    }

    /// The thread that turns events into hints and waits where the ring is full.
    fn forward(&self, threads: &Threads, ring: &HintRing) {
        let mut moved = false;
        while !threads.stopping() && !self.quit.load(Ordering::Acquire) {
            let (first, events) = {
                let mut queue = lock(&self.queue);
                let first = queue.first;
                queue.first = queue.next();
                (first, mem::take(&mut queue.events))
            };
            let mut hints = Vec::with_capacity(events.len());
            if self.lost.swap(false, Ordering::AcqRel) {
                hints.push(HintWhat::Overflow);
            }
            if events.is_empty() && hints.is_empty() {
                if !moved {
                    thread::park();
                    continue;
                }
                thread::park_timeout(QUIET);
                if !lock(&self.queue).events.is_empty() {
                    continue;
                }
                moved = false;
                hints.push(HintWhat::ReadEmpty);
            }
            let mut paths = lock(&self.paths);
            for (number, event) in (first..).zip(events) {
                decode::event(event, number, &mut paths, &mut hints);
            }
            drop(paths);
            moved |= hints.iter().any(decode::is_moved_from);
            let hints: Vec<Hint> = hints.into_iter().map(|what| Hint { watch: self.watch, what }).collect();
            if !hints.is_empty() && !threads.send(ring, hints, &self.quit) {
                return;
            }
        }
    }
}

impl NotifySource {
    /// Lets go of paths that nobody uses any more.
    fn give_back(&self, watcher: &mut RecommendedWatcher) {
        loop {
            let mut paths = lock(&self.shared.paths);
            let Some(path) = paths.unused.pop() else { return };
            let used = paths.folders.contains_key(&path);
            drop(paths);
            if !used {
                // It fails where notify has let go of it by itself.
                let _gone = watcher.unwatch(&path);
            }
        }
    }

    /// Arms a path for a folder. What happens there from when this returns on is told of the folder; what happened
    /// before is found by the listing that follows.
    fn watch(&self, watcher: &mut RecommendedWatcher, node: NodeId, path: &Path) -> Result<(), notify::Error> {
        let mut paths = lock(&self.shared.paths);
        let before = paths.release(node);
        paths.unused.extend(before);
        let armed_before = paths.folders.contains_key(path) || paths.unused.iter().any(|unused| unused == path);
        drop(paths);
        if armed_before {
            // It may have been another folder then. It fails where notify has let go of it by itself.
            let _gone = watcher.unwatch(path);
        }
        watcher.watch(path, RecursiveMode::NonRecursive)?;
        let mut paths = lock(&self.shared.paths);
        let since = lock(&self.shared.queue).next();
        let place = paths.folders.entry(path.to_owned()).or_default();
        place.nodes.push(node);
        place.since = since;
        paths.nodes.insert(node, path.to_owned());
        Ok(())
    }
}

impl Source for NotifySource {
    fn want(&self, key: Key) -> u64 {
        let mut paths = lock(&self.shared.paths);
        paths.tickets += 1;
        let ticket = paths.tickets;
        paths.wanted.insert(key.1, ticket);
        ticket
    }

    fn arm(&self, (_, node): Key, folder: Folder<'_>) -> Armed {
        let path = folder.absolute();
        let mut watcher = lock(&self.watcher);
        let wanted = {
            let paths = lock(&self.shared.paths);
            paths.wanted.contains_key(&node) || paths.nodes.contains_key(&node)
        };
        if !wanted || self.shared.quit.load(Ordering::Acquire) {
            return Armed::NotAsked;
        }
        let watched = self.watch(&mut watcher, node, &path);
        let failed = match watched {
            Ok(()) if is_same(folder, &path) => return Armed::Yes,
            Ok(()) => {
                lock(&self.shared.paths).unused.push(path);
                Armed::Failed("it was replaced while it was armed".to_owned())
            }
            Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => Armed::NoMoreWatches,
            Err(error) => Armed::Failed(error.to_string()),
        };
        lock(&self.shared.paths).release(node);
        self.give_back(&mut watcher);
        failed
    }

    fn done(&self, (_, node): Key, ticket: u64) {
        let mut paths = lock(&self.shared.paths);
        if paths.wanted.get(&node) == Some(&ticket) {
            paths.wanted.remove(&node);
        }
    }

    fn disarm(&self, (_, node): Key) {
        let mut paths = lock(&self.shared.paths);
        paths.wanted.remove(&node);
        let unused = paths.release(node);
        paths.unused.extend(unused);
    }

    fn tidy(&self) {
        self.give_back(&mut lock(&self.watcher));
    }

    fn close(&self, _watch: WatchId) {
        self.shared.quit.store(true, Ordering::Release);
        if let Some(forwarder) = self.shared.forwarder.get() {
            forwarder.unpark();
        }
    }
}

/// Whether a path still leads to the folder that is open.
fn is_same(folder: Folder<'_>, path: &Path) -> bool {
    match (sys::look_at_fd(folder.fd), sys::look_at_path(path)) {
        (Ok(open), Ok(there)) => (open.dev, open.inode) == (there.dev, there.inode),
        _ => false,
    }
}
