//! Threads that follow commands from start to end, each one at a time.
//!
//! A start blocks until its program is loaded, which can take as long as a file system likes; so does output that is
//! written. On a thread of its own that holds up nobody, and between two commands nothing is handed from thread to thread:
//! where commands are short, that would cost as much as they do. So each has a runtime of its own as well, unless
//! descriptors are few: then what wakes it comes by the daemon's. What a thread does is the job's business.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::runtime::{Builder, Handle, Runtime};

/// So many descriptors a runtime has.
const DESCRIPTORS: u64 = 3;
/// Runtimes may have one in so many of all that may be open.
const SHARE: u64 = 16;
/// How long a thread is kept that has nothing to follow.
const IDLE: Duration = Duration::from_secs(10);

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The threads there are. Clones share the same.
#[derive(Clone)]
pub(super) struct Followers {
    daemons: Handle,
    /// How many may have a runtime of their own.
    most: usize,
    threads: Arc<Mutex<Threads>>,
}

#[derive(Default)]
struct Threads {
    idle: Vec<Follower>,
    /// Held once more by each that has a runtime of its own.
    own: Arc<()>,
}

/// What wakes a thread.
enum Wakes {
    Own { runtime: Runtime, _counts: Arc<()> },
    Daemons(Handle),
}

/// The way to an idle thread.
struct Follower {
    number: usize,
    jobs: SyncSender<Job>,
}

impl Wakes {
    fn block_on(&self, job: Job) {
        match self {
            Self::Own { runtime, .. } => runtime.block_on(job),
            Self::Daemons(runtime) => runtime.block_on(job),
        }
    }
}

impl Followers {
    /// None yet. Must be called within the daemon's runtime.
    pub(super) fn new() -> Self {
        let most = getrlimit(Resource::Nofile).current.map_or(u64::MAX, |most| most / (SHARE * DESCRIPTORS));
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self { daemons: Handle::current(), most, threads: Arc::default() }
    }

    /// Has this job done by an idle thread, or a new one. An error says that there can be no new one; then the job is not
    /// done.
    pub(super) fn follow(&self, job: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let mut job: Job = Box::pin(job);
        loop {
            // The one that was idle last: the others may end.
            let Some(idle) = self.threads().idle.pop() else { break };
            match idle.jobs.send(job) {
                Ok(()) => return Ok(()),
                Err(back) => job = back.0,
            }
        }
        let wakes = self.wakes()?;
        let (jobs, given) = sync_channel(1);
        let followers = self.clone();
        std::thread::Builder::new()
            .name("command".into())
            .spawn(move || followers.serve(&wakes, job, &jobs, &given))?;
        Ok(())
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        // Nothing that is done under this lock can leave it half done.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For one more thread.
    fn wakes(&self) -> io::Result<Wakes> {
        let one_more = Arc::clone(&self.threads().own);
        if Arc::strong_count(&one_more) - 1 > self.most {
            return Ok(Wakes::Daemons(self.daemons.clone()));
        }
        Ok(Wakes::Own { runtime: Builder::new_current_thread().enable_all().build()?, _counts: one_more })
    }

    /// The life of a thread.
    fn serve(&self, wakes: &Wakes, first: Job, jobs: &SyncSender<Job>, given: &Receiver<Job>) {
        let number = std::ptr::from_ref(given).addr();
        let mut job = first;
        loop {
            wakes.block_on(job);
            self.threads().idle.push(Follower { number, jobs: jobs.clone() });
            job = match given.recv_timeout(IDLE) {
                Ok(job) => job,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let mut threads = self.threads();
                    if let Some(place) = threads.idle.iter().position(|follower| follower.number == number) {
                        threads.idle.swap_remove(place);
                        return;
                    }
                    drop(threads);
                    // It was chosen at this very moment.
                    let Ok(job) = given.recv() else { return };
                    job
                }
            };
        }
    }
}
