//! What is around the roots: mounts, and the folders and links that lead to a root.
//!
//! One thread waits for changes of the mount table, and for the end or the moving of what leads to a root, and tells
//! both. It decides nothing, reads no file but the mount table, and keeps no handle on anything that could be
//! unmounted. Where a part of it cannot be had, the regular scans find what it would have told.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use fsmon_core::Input;
use fsmon_core::io::{Hint, HintWhat, WatchId};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags, add_watch, remove_watch};
use rustix::io::Errno;

use super::mount::{Mount, changed_points, mounts_in};
use super::threads::{Threads, lock};
use crate::edges::{HintRing, Inbox};

/// The end of a folder or link that leads to a root, or another place for it.
const MASK: WatchFlags = WatchFlags::MOVE_SELF.union(WatchFlags::DELETE_SELF).union(WatchFlags::DONT_FOLLOW);
/// Links that one path may lead through, as the kernel has it.
const LINKS: usize = 40;

/// The eyes on what is around the roots. Cloning shares them.
#[derive(Clone)]
pub struct Surroundings(Arc<Inner>);

struct Inner {
    threads: Threads,
    inbox: Inbox,
    ring: HintRing,
    quit: AtomicBool,
    /// Readable when the thread is to look around or to end; none until a root was opened, or where none can be had.
    wake: Mutex<Option<Arc<OwnedFd>>>,
    /// Where the ends of places are told; set once, as soon as one can be had.
    places: OnceLock<OwnedFd>,
    ways: Mutex<Ways>,
}

/// Which watches a place leads to.
#[derive(Default)]
struct Ways(HashMap<i32, Vec<WatchId>>);

impl Surroundings {
    /// No thread yet.
    pub fn new(threads: Threads, inbox: Inbox, ring: HintRing) -> Self {
        let (quit, wake, places) = (AtomicBool::new(false), Mutex::default(), OnceLock::new());
        Self(Arc::new(Inner { threads, inbox, ring, quit, wake, places, ways: Mutex::default() }))
    }

    /// From now on it is told when what leads to this root changes; and from the first call on, when mounts do.
    pub fn lead_to(&self, watch: WatchId, root: &Path) {
        self.begin();
        self.forget(watch);
        let Some(places) = self.places() else { return };
        for place in way_to(root) {
            // Under the lock, so that what is told of it at once finds it.
            let mut ways = lock(&self.0.ways);
            match add_watch(places, &place, MASK) {
                Ok(wd) => ways.0.entry(wd).or_default().push(watch),
                // What is told of the root itself, and the regular scans, have to do.
                Err(error) => tracing::debug!(place = %place.display(), %error, "its end is not told"),
            }
        }
    }

    /// Nothing more is to be told of this watch.
    pub fn forget(&self, watch: WatchId) {
        let mut ways = lock(&self.0.ways);
        for users in ways.0.values_mut() {
            users.retain(|user| *user != watch);
        }
        let unused: Vec<i32> = ways.0.extract_if(|_, users| users.is_empty()).map(|(wd, _)| wd).collect();
        if let Some(places) = self.0.places.get() {
            for wd in unused {
                // EINVAL: the kernel has taken it back by itself.
                let _given_back = remove_watch(places, wd);
            }
        }
    }

    /// Ends the thread.
    pub fn quit(&self) {
        self.0.quit.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(wake) = &*lock(&self.0.wake) {
            // It can only fail when it is readable already.
            let _told = rustix::io::write(wake, &1_u64.to_ne_bytes());
        }
    }

    /// Starts the thread, once. The mount table is read before this returns.
    fn begin(&self) {
        let mut wake = lock(&self.0.wake);
        if wake.is_some() {
            return;
        }
        let started = || -> std::io::Result<Arc<OwnedFd>> {
            let fd = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
            let table = Table::open().map_err(|error| {
                tracing::warn!(%error, "/proc/self/mountinfo can't be read: mounts are found by the regular scans only");
            });
            let (own, thread_fd) = (self.clone(), Arc::clone(&fd));
            self.0.threads.spawn("watch-around", move || own.run(&thread_fd, table.ok()))?;
            Ok(fd)
        };
        match started() {
            Ok(fd) => *wake = Some(fd),
            Err(error) => tracing::debug!(%error, "nobody looks around the roots; tried again with the next one"),
        }
    }

    fn places(&self) -> Option<&OwnedFd> {
        if let Some(places) = self.0.places.get() {
            return Some(places);
        }
        match inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
            Ok(fd) => {
                let places = self.0.places.get_or_init(|| fd);
                self.wake();
                Some(places)
            }
            Err(error) => {
                tracing::debug!(%error, "no inotify instance for what leads to the roots");
                None
            }
        }
    }

    fn run(&self, wake: &OwnedFd, mut table: Option<Table>) {
        while !self.0.quit.load(Ordering::Acquire) && !self.0.threads.stopping() {
            let (mounts, moved) = wait(wake, table.as_ref(), self.0.places.get());
            if mounts && let Some(table) = &mut table {
                let points = table.changed();
                if !points.is_empty() {
                    let points = points.into_iter().map(Into::into).collect();
                    self.0.threads.send(&self.0.inbox, Input::Mounted(points), &self.0.quit);
                }
            }
            if moved && let Some(places) = self.0.places.get() {
                let hints: Vec<Hint> = self.read(places).into_iter().map(moved_root).collect();
                if !hints.is_empty() {
                    self.0.threads.send(&self.0.ring, hints, &self.0.quit);
                }
            }
        }
    }

    /// The watches to which something led that is gone or elsewhere now.
    fn read(&self, places: &OwnedFd) -> Vec<WatchId> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(places, &mut buffer);
        let mut moved = Vec::new();
        // Ends with EAGAIN.
        while let Ok(event) = reader.next() {
            let mut ways = lock(&self.0.ways);
            let users = if event.events().contains(ReadFlags::IGNORED) {
                ways.0.remove(&event.wd())
            } else {
                ways.0.get(&event.wd()).cloned()
            };
            moved.extend(users.unwrap_or_default());
        }
        moved.sort_unstable();
        moved.dedup();
        moved
    }
}

fn moved_root(watch: WatchId) -> Hint {
    Hint { watch, what: HintWhat::RootMoved }
}

/// Waits; says whether mounts have changed, and whether something is told of places.
fn wait(wake: &OwnedFd, table: Option<&Table>, places: Option<&OwnedFd>) -> (bool, bool) {
    let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
    fds.extend(table.map(|table| PollFd::new(&table.file, PollFlags::PRI)));
    fds.extend(places.map(|places| PollFd::new(places, PollFlags::IN)));
    // EINTR and anything else: what there is to see is found by looking.
    let _ready = poll(&mut fds, None);
    let mut told = fds.iter().skip(1).map(|fd| !fd.revents().is_empty());
    let mounts = table.is_some() && told.next().unwrap_or(false);
    let moved = places.is_some() && told.next().unwrap_or(false);
    drop(fds);
    let mut count = [0_u8; 8];
    match rustix::io::read(wake, &mut count) {
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
        Err(error) => tracing::debug!(%error, "an eventfd that can't be read"),
    }
    (mounts, moved)
}

/// The mount table as it was read last.
struct Table {
    file: File,
    mounts: HashSet<Mount>,
}

impl Table {
    fn open() -> std::io::Result<Self> {
        let mut table = Self { file: File::open("/proc/self/mountinfo")?, mounts: HashSet::new() };
        table.mounts = table.read()?;
        // The first poll after opening would tell of what was before.
        let mut fds = [PollFd::from_borrowed_fd(table.file.as_fd(), PollFlags::PRI)];
        let _ready = poll(&mut fds, Some(&rustix::event::Timespec::default()));
        Ok(table)
    }

    fn read(&mut self) -> std::io::Result<HashSet<Mount>> {
        let mut text = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut text)?;
        Ok(mounts_in(&text))
    }

    /// Where something was mounted or unmounted since it was read last.
    fn changed(&mut self) -> Vec<Vec<u8>> {
        match self.read() {
            Ok(now) => {
                let points = changed_points(&self.mounts, &now);
                self.mounts = now;
                points
            }
            Err(error) => {
                tracing::warn!(%error, "the mount table can't be read");
                Vec::new()
            }
        }
    }
}

/// Every folder and link that leads to this path, but not what is at its end.
fn way_to(path: &Path) -> Vec<PathBuf> {
    let names = |path: &Path| -> Vec<OsString> {
        path.components().filter(|c| !matches!(c, Component::RootDir)).map(|c| c.as_os_str().to_owned()).collect()
    };
    let mut left: VecDeque<OsString> = names(path).into();
    let (mut at, mut way, mut links) = (PathBuf::from("/"), Vec::new(), 0);
    while let Some(name) = left.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let Ok(target) = std::fs::read_link(&next) else {
            // No link.
            if !left.is_empty() {
                way.push(next.clone());
            }
            at = next;
            continue;
        };
        way.push(next);
        links += 1;
        if links > LINKS {
            break;
        }
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        for name in names(&target).into_iter().rev() {
            left.push_front(name);
        }
    }
    way
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_way_to_a_root_goes_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("a/b")).unwrap();
        symlink("a", top.join("relative")).unwrap();
        symlink(top.join("relative/b"), top.join("link")).unwrap();
        let way = way_to(&top.join("link"));
        for place in [top.clone(), top.join("link"), top.join("relative"), top.join("a")] {
            assert!(way.contains(&place), "{place:?} in {way:?}");
        }
        assert!(!way.contains(&top.join("a/b")), "the root itself is not on the way: {way:?}");
        symlink("loop", top.join("loop")).unwrap();
        assert!(way_to(&top.join("loop/x")).len() <= LINKS + 10);
    }
}
