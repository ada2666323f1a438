//! inotify: up to 16 instances, each with a reader. One watch has one to itself as long as there are any.
//!
//! Two locks per instance: `map` is held for moments only, by everyone; `arming` is held by workers around the system
//! calls that give and take descriptors, so that a descriptor is entered before anyone asks in vain what it is, and
//! none that was just given again is given back. Always `arming` before `map`. The engine takes only `map`.

mod arm;
mod decode;
mod map;
mod reader;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread::Thread;

use fsmon_core::io::{Armed, WatchId};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify::{self, CreateFlags};

use self::map::Map;
use super::source::{Folder, Key, Source};
use super::threads::{Threads, lock};
use crate::edges::HintRing;

/// How many instances one daemon uses at most; the system gives each user 128 by default.
const INSTANCES: usize = 16;

/// How many instances this daemon uses: fewer where the limit on open files is low. Each takes two descriptors, and
/// what looks, stores, answers and runs commands needs some 24: a daemon that only hears would process nothing.
fn most_instances() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    instances_within(limit)
}

fn instances_within(open_files: u64) -> usize {
    usize::try_from((open_files / 8).saturating_sub(3)).unwrap_or(INSTANCES).clamp(1, INSTANCES)
}

/// All instances.
pub struct Instances {
    list: Mutex<Vec<Weak<Instance>>>,
    threads: Threads,
    ring: HintRing,
}

/// One queue of the kernel with its reader.
pub struct Instance {
    fd: OwnedFd,
    /// Readable once the reader is to end.
    wake: OwnedFd,
    quit: AtomicBool,
    reader: OnceLock<Thread>,
    map: Mutex<Map>,
    arming: Mutex<()>,
}

impl Instances {
    /// None yet.
    pub fn new(threads: Threads, ring: HintRing) -> Self {
        Self { list: Mutex::default(), threads, ring }
    }

    /// An instance for a watch: one of its own, else the least loaded. Fails with what the system said where it gives
    /// none and there is none to share.
    pub fn join(&self, watch: WatchId) -> io::Result<Arc<Instance>> {
        let mut list = lock(&self.list);
        list.retain(|instance| instance.strong_count() > 0);
        let mut open: Vec<Arc<Instance>> = list.iter().filter_map(Weak::upgrade).collect();
        open.retain(|instance| !instance.quit.load(Ordering::Acquire));
        if open.len() < most_instances() {
            match Instance::start(watch, &self.threads, &self.ring) {
                Ok(instance) => {
                    list.push(Arc::downgrade(&instance));
                    return Ok(instance);
                }
                Err(error) if open.is_empty() => return Err(error),
                Err(error) => tracing::debug!(%error, "no further inotify instance: sharing one"),
            }
        }
        open.sort_by_cached_key(|instance| lock(&instance.map).watches().len());
        // One may have ended just now with its last watch.
        let joined = open.into_iter().find(|instance| {
            let mut map = lock(&instance.map);
            let usable = !instance.quit.load(Ordering::Acquire);
            if usable {
                map.join(watch);
            }
            usable
        });
        if let Some(instance) = joined {
            return Ok(instance);
        }
        let instance = Instance::start(watch, &self.threads, &self.ring)?;
        list.push(Arc::downgrade(&instance));
        Ok(instance)
    }

    /// Ends all readers.
    pub fn quit(&self) {
        lock(&self.list).iter().filter_map(Weak::upgrade).for_each(|instance| instance.quit());
    }
}

impl Instance {
    fn start(watch: WatchId, threads: &Threads, ring: &HintRing) -> io::Result<Arc<Self>> {
        let instance = Arc::new(Self {
            fd: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            quit: AtomicBool::new(false),
            reader: OnceLock::new(),
            map: Mutex::default(),
            arming: Mutex::default(),
        });
        lock(&instance.map).join(watch);
        let (own, all, ring) = (Arc::clone(&instance), threads.clone(), ring.clone());
        let thread = threads.spawn("watch-read", move || reader::run(&own, &all, &ring))?;
        let _first = instance.reader.set(thread);
        Ok(instance)
    }

    fn quit(&self) {
        self.quit.store(true, Ordering::Release);
        // It can only fail when it is readable already.
        let _told = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        if let Some(reader) = self.reader.get() {
            reader.unpark();
        }
    }
}

impl Source for Instance {
    fn want(&self, key: Key) -> u64 {
        lock(&self.map).want(key)
    }

    fn arm(&self, key: Key, folder: Folder<'_>) -> Armed {
        arm::arm(self, key, folder.fd)
    }

    fn done(&self, key: Key, ticket: u64) {
        lock(&self.map).done(key, ticket);
    }

    fn disarm(&self, key: Key) {
        lock(&self.map).disarm(key);
    }

    fn tidy(&self) {
        arm::give_back(self);
    }

    fn close(&self, watch: WatchId) {
        let mut map = lock(&self.map);
        if map.close(watch) {
            // Under the lock, so that nobody joins an instance that ends.
            self.quit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_on_open_files_leaves_room_for_all_else() {
        let counts = [0, 32, 64, 1024, u64::MAX].map(instances_within);
        assert_eq!(counts, [1, 1, 5, 16, 16]);
    }
}
