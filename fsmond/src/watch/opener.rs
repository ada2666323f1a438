//! Opens roots: what is there, how its changes can be seen, and who looks at it from now on.
//!
//! Each opening runs on a thread that ends with the work, since a root may be on a mount that hangs; at most
//! [`THREADS`] hang at once, what comes then waits its turn.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use fsmon_core::Input;
use fsmon_core::io::{OpenRequest, RootFacts, RootProblem, WatchId};
use fsmon_protocol::RawPath;
use fsmon_protocol::spec::Backend;
use rustix::io::Errno;

use super::mount::Class;
use super::own::OwnFiles;
use super::pool::Pool;
use super::source::Source;
use super::surroundings::Surroundings;
use super::sys::{self, Facts};
use super::threads::{Threads, lock};
use super::visit::Root;
use super::{inotify, notify};
use crate::edges::{HintRing, Inbox};

const THREADS: usize = 32;

/// The roots and those who open them. Cloning shares them.
#[derive(Clone)]
pub struct Opener(Arc<Inner>);

struct Inner {
    threads: Threads,
    inbox: Inbox,
    ring: HintRing,
    own: OwnFiles,
    /// Why the notify backend is refused, if it is.
    notify_refused: Option<String>,
    instances: inotify::Instances,
    surroundings: Surroundings,
    queue: Mutex<Queue>,
    roots: Mutex<Roots>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(u64, OpenRequest)>,
    running: usize,
}

#[derive(Default)]
struct Roots {
    openings: u64,
    slots: HashMap<WatchId, Slot>,
    /// The workers of each device that a root is on.
    pools: HashMap<u64, Pool>,
}

enum Slot {
    /// Being opened; the number tells this opening from an earlier one that was given up.
    Opening(u64),
    Open(Arc<Root>, Pool),
}

impl Opener {
    /// No root yet.
    pub fn new(threads: Threads, inbox: Inbox, ring: HintRing, own: OwnFiles, notify_refused: Option<String>) -> Self {
        let instances = inotify::Instances::new(threads.clone(), ring.clone());
        let surroundings = Surroundings::new(threads.clone(), inbox.clone(), ring.clone());
        let (queue, roots) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { threads, inbox, ring, own, notify_refused, instances, surroundings, queue, roots }))
    }

    /// Opens a root soon. None is open for this watch.
    pub fn open(&self, request: OpenRequest) {
        let mut roots = lock(&self.0.roots);
        roots.openings += 1;
        let number = roots.openings;
        roots.slots.insert(request.watch, Slot::Opening(number));
        drop(roots);
        lock(&self.0.queue).waiting.push_back((number, request));
        self.kick();
    }

    /// Sees to it that somebody opens what waits.
    pub fn kick(&self) {
        let mut queue = lock(&self.0.queue);
        if queue.waiting.is_empty() || queue.running >= THREADS {
            return;
        }
        let own = self.clone();
        match self.0.threads.spawn("watch-open", move || own.work()) {
            Ok(_) => queue.running += 1,
            Err(error) => tracing::error!(%error, "no thread to open a root: tried again soon"),
        }
    }

    /// The root of a watch and its workers, once it is open.
    pub fn get(&self, watch: WatchId) -> Option<(Arc<Root>, Pool)> {
        match lock(&self.0.roots).slots.get(&watch) {
            Some(Slot::Open(root, pool)) => Some((Arc::clone(root), pool.clone())),
            _ => None,
        }
    }

    /// Lets go of a watch. Gives what was open for it.
    pub fn close(&self, watch: WatchId) -> Option<(Arc<Root>, Pool)> {
        self.0.surroundings.forget(watch);
        let mut roots = lock(&self.0.roots);
        let Some(Slot::Open(root, pool)) = roots.slots.remove(&watch) else { return None };
        let shared = roots.slots.values().any(|slot| matches!(slot, Slot::Open(_, other) if other.is(&pool)));
        if !shared {
            roots.pools.remove(&root.facts.dev);
        }
        Some((root, pool))
    }

    /// Ends the readers.
    pub fn quit(&self) {
        self.0.instances.quit();
        self.0.surroundings.quit();
    }

    fn work(&self) {
        loop {
            let mut queue = lock(&self.0.queue);
            let next = queue.waiting.pop_front().filter(|_| !self.0.threads.stopping());
            let Some((number, request)) = next else {
                queue.running -= 1;
                return;
            };
            drop(queue);
            self.serve(number, &request);
        }
    }

    fn serve(&self, number: u64, request: &OpenRequest) {
        let watch = request.watch;
        let wanted = |roots: &Roots| matches!(roots.slots.get(&watch), Some(Slot::Opening(n)) if *n == number);
        if !wanted(&lock(&self.0.roots)) {
            return;
        }
        let opened = self.examine(request);
        // The place first, so that under the lock it is decided at once whether this is still wanted, and told.
        let permit = self.0.threads.reserve(&self.0.inbox, &AtomicBool::new(false));
        let mut roots = lock(&self.0.roots);
        let Some(permit) = permit.filter(|_| wanted(&roots)) else {
            drop(roots);
            if let Ok((root, _)) = opened {
                root.source.iter().for_each(|source| source.close(watch));
            }
            return;
        };
        let result = match opened {
            Ok((root, facts)) => {
                let new = || Pool::new(self.0.threads.clone(), self.0.inbox.clone(), self.0.own.clone());
                let pool = roots.pools.entry(root.facts.dev).or_insert_with(new).clone();
                roots.slots.insert(watch, Slot::Open(Arc::new(root), pool));
                Ok(facts)
            }
            Err(problem) => {
                roots.slots.remove(&watch);
                Err(problem)
            }
        };
        permit.send(Input::Opened { watch, result });
    }

    fn examine(&self, request: &OpenRequest) -> Result<(Root, RootFacts), RootProblem> {
        let path = request.root.as_path();
        let base = sys::open_root(path).map_err(|error| root_problem(path, error))?;
        let problem = |error| root_problem(path, error);
        let facts = sys::look_at_fd(base.as_fd()).map_err(problem)?;
        // Whether it can be read is told now, not by the first listing.
        drop(sys::open_beneath(base.as_fd(), b"", true).map_err(problem)?);
        let fs_type = sys::fs_type_of_root(base.as_fd(), &facts).map_err(problem)?;
        let class = Class::of(&fs_type);
        if class.pseudo {
            return Err(RootProblem::Other(format!("{} is on {fs_type}, which is never watched", request.root)));
        }
        let real = sys::real_path(base.as_fd(), path).map_err(problem)?;
        if self.is_own(&real) {
            return Err(RootProblem::Other(
                "fsmond keeps its own files there, and would wake itself for ever".to_owned(),
            ));
        }
        let mount_point = facts.mount_root.unwrap_or_else(|| differs_from_parent(base.as_fd(), &facts));
        let Chosen { source, backend, backend_why, limited } = self.source(request, class, &fs_type)?;
        self.0.surroundings.lead_to(request.watch, path);
        // What changed before that is not told.
        let still = sys::open_root(path).and_then(|again| sys::look_at_fd(again.as_fd())).map_err(problem)?;
        if (still.dev, still.inode) != (facts.dev, facts.inode) {
            return Err(RootProblem::Other("it is being replaced".to_owned()));
        }
        let inode = if class.stable_inodes { facts.inode } else { 0 };
        let real = RawPath::from(real);
        let root = Root { path: path.to_owned(), facts, class, source, closed: AtomicBool::new(false) };
        Ok((root, RootFacts { real, backend, backend_why, limited, fs_type, inode, mount_point }))
    }

    /// Whether this folder, or one above it, is fsmond's own.
    fn is_own(&self, real: &Path) -> bool {
        let own = self.0.own.now();
        real.ancestors().any(|folder| sys::look_at_path(folder).is_ok_and(|facts| own.contains(facts.dev, facts.inode)))
    }

    /// Chooses the backend and starts it. A source that cannot be had becomes polling, with the reason.
    fn source(&self, request: &OpenRequest, class: Class, fs_type: &str) -> Result<Chosen, RootProblem> {
        let unseen = format!("changes that others make on {fs_type} cause no events here");
        let chosen = match request.backend {
            Backend::Poll => return Ok(Chosen::polled(None, None)),
            Backend::Auto if class.remote => return Ok(Chosen::polled(Some(unseen), None)),
            Backend::Auto if cfg!(target_os = "linux") => Backend::Inotify,
            Backend::Auto => Backend::Notify,
            asked => asked,
        };
        let why = class.remote.then_some(unseen);
        let started = match chosen {
            Backend::Notify => {
                if let Some(why) = &self.0.notify_refused {
                    return Err(RootProblem::Other(why.clone()));
                }
                notify::start(request.watch, &self.0.threads, &self.0.ring)
            }
            _ if !cfg!(target_os = "linux") => {
                return Err(RootProblem::Other("inotify is there on Linux only: use --backend auto".to_owned()));
            }
            _ => self
                .0
                .instances
                .join(request.watch)
                .map(|instance| instance as Arc<dyn Source>)
                .map_err(|error| told(&error)),
        };
        Ok(match started {
            Ok(source) => Chosen { source: Some(source), backend: chosen, backend_why: why, limited: None },
            Err(limited) => Chosen::polled(why, Some(limited)),
        })
    }
}

/// How the changes of a root are seen.
struct Chosen {
    source: Option<Arc<dyn Source>>,
    backend: Backend,
    backend_why: Option<String>,
    limited: Option<String>,
}

impl Chosen {
    fn polled(backend_why: Option<String>, limited: Option<String>) -> Self {
        Self { source: None, backend: Backend::Poll, backend_why, limited }
    }
}

/// Why there is no inotify instance, and what to do about it.
fn told(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE) => {
            "no inotify instance left for this user: raise fs.inotify.max_user_instances (or the limit on open files)"
                .to_owned()
        }
        _ => format!("inotify cannot be started: {error}"),
    }
}

fn root_problem(path: &Path, error: Errno) -> RootProblem {
    match error {
        Errno::NOENT => RootProblem::Missing,
        // The path may also go through a file; then it is not there.
        Errno::NOTDIR => match sys::look_at_path(path) {
            Err(_) => RootProblem::Missing,
            Ok(_) => RootProblem::NotAFolder,
        },
        Errno::ACCESS | Errno::PERM => RootProblem::NotPermitted,
        Errno::LOOP => RootProblem::Other(format!("{}: too many symbolic links", RawPath::from(path))),
        Errno::NAMETOOLONG => RootProblem::Other(format!("{}: path too long", RawPath::from(path))),
        other => RootProblem::Other(other.to_string()),
    }
}

/// Whether a folder is on another device than the one it is in, or is the top.
fn differs_from_parent(base: std::os::fd::BorrowedFd<'_>, facts: &Facts) -> bool {
    sys::look_at(base, "..", true).is_ok_and(|parent| parent.dev != facts.dev || parent.inode == facts.inode)
}
