//! The workers of one mount: at most two threads that list, look and read. One that hangs stops no other mount.
//!
//! Looks come before listings, also between the parts of a long one, and only one worker at a time does looks, so that
//! their answers come in the order asked. Files are read one at a time, and looks come before each part of them. The queues are bounded by what the core asks for: it has at most one listing
//! out per folder, one look per name and a few files to read per watch, and counts them. Answers wait while the inbox is full.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::Duration;

use fsmon_core::Input;
use fsmon_core::io::{DigestRequest, ListPart, ListRequest, Listing, LookRequest, Looked};

use super::digester;
use super::lister;
use super::looker;
use super::own::OwnFiles;
use super::threads::{Threads, lock};
use super::visit::{Root, Visit};
use crate::edges::Inbox;

const THREADS: usize = 2;
/// Listings that wait before a second thread is worth its start.
const MANY: usize = 16;
/// Requests a worker takes at once; the root's handle is held so long.
const BATCH: usize = 64;
/// Listings, and entries in them, that go in one answer at most.
const ANSWER_LISTINGS: usize = 64;
const ANSWER_ENTRIES: usize = 512;
/// A worker without work ends after this.
const IDLE: Duration = Duration::from_secs(30);

/// Something for a worker to do.
pub enum Job {
    /// Arm and list; the ticket is that of the source where arming was asked for.
    List(Arc<Root>, ListRequest, Option<u64>),
    /// Look.
    Look(Arc<Root>, LookRequest),
    /// Read a file.
    Digest(Arc<Root>, DigestRequest),
    /// Give back what the source of this root does not use any more, and drop the root if this is the last of it.
    Tidy(Arc<Root>),
}

impl Job {
    /// Whether it is about this root.
    pub fn is_of(&self, other: &Arc<Root>) -> bool {
        let (Self::List(root, ..) | Self::Look(root, _) | Self::Digest(root, _) | Self::Tidy(root)) = self;
        Arc::ptr_eq(root, other)
    }
}

/// The workers of one mount. Cloning shares them.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    queue: Mutex<Queue>,
    /// How many looks wait, to be asked without the lock.
    looks: AtomicUsize,
    threads: Threads,
    inbox: Inbox,
    own: OwnFiles,
}

#[derive(Default)]
struct Queue {
    looks: VecDeque<(Arc<Root>, LookRequest)>,
    /// Whether a worker does looks now.
    looking: bool,
    digests: VecDeque<(Arc<Root>, DigestRequest)>,
    /// Whether a worker reads a file now.
    digesting: bool,
    lists: VecDeque<(Arc<Root>, ListRequest, Option<u64>)>,
    tidy: Vec<Arc<Root>>,
    running: usize,
    idle: Vec<Thread>,
}

impl Pool {
    /// No thread yet.
    pub fn new(threads: Threads, inbox: Inbox, own: OwnFiles) -> Self {
        let (queue, looks) = (Mutex::default(), AtomicUsize::new(0));
        Self(Arc::new(Inner { queue, looks, threads, inbox, own }))
    }

    /// Whether both are the same workers.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Queues jobs and sees to it that somebody does them.
    pub fn push(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut queue = lock(&self.0.queue);
        for job in jobs {
            match job {
                Job::List(root, request, ticket) => queue.lists.push_back((root, request, ticket)),
                Job::Look(root, request) => queue.looks.push_back((root, request)),
                Job::Digest(root, request) => queue.digests.push_back((root, request)),
                Job::Tidy(root) => {
                    if !queue.tidy.iter().any(|other| Arc::ptr_eq(other, &root)) {
                        queue.tidy.push(root);
                    }
                }
            }
        }
        self.0.looks.store(queue.looks.len(), Ordering::Release);
        let wanted = if queue.lists.len() > MANY { THREADS } else { 1 };
        for _ in 0..wanted {
            if let Some(idle) = queue.idle.pop() {
                idle.unpark();
            } else if queue.running < THREADS {
                let pool = self.clone();
                match self.0.threads.spawn("watch-look", move || pool.work()) {
                    Ok(_) => queue.running += 1,
                    Err(error) if queue.running > 0 => tracing::debug!(%error, "no second thread to look at files"),
                    Err(error) => {
                        tracing::error!(%error, "no thread to look at files: tried again with the next request");
                    }
                }
            }
        }
    }

    /// Drops what is queued for a root.
    pub fn forget(&self, root: &Arc<Root>) {
        let mut queue = lock(&self.0.queue);
        queue.looks.retain(|(other, _)| !Arc::ptr_eq(other, root));
        queue.lists.retain(|(other, ..)| !Arc::ptr_eq(other, root));
        queue.digests.retain(|(other, _)| !Arc::ptr_eq(other, root));
        self.0.looks.store(queue.looks.len(), Ordering::Release);
    }

    fn work(&self) {
        let mut answers = Answers { pool: self, listed: Vec::new(), entries: 0 };
        while let Some(batch) = self.next(&mut answers) {
            match batch {
                Batch::Looks(looks) => self.do_looks(looks),
                Batch::Digest(root, request) => self.do_digest(&root, &request),
                Batch::Lists(lists) => self.do_lists(lists, &mut answers),
                Batch::Tidy(roots) => roots.iter().filter_map(|root| root.source.as_ref()).for_each(|s| s.tidy()),
            }
        }
    }

    /// The next thing to do, waiting for it. None: this worker ends.
    fn next(&self, answers: &mut Answers<'_>) -> Option<Batch> {
        let me = thread::current();
        let mut rested = false;
        let mut queue = lock(&self.0.queue);
        loop {
            queue.idle.retain(|thread| thread.id() != me.id());
            if self.0.threads.stopping() {
                queue.running -= 1;
                return None;
            }
            if let Some(batch) = self.take(&mut queue) {
                return Some(batch);
            }
            if !answers.listed.is_empty() {
                drop(queue);
                answers.send();
                queue = lock(&self.0.queue);
                continue;
            }
            if rested {
                queue.running -= 1;
                return None;
            }
            queue.idle.push(me.clone());
            drop(queue);
            let start = std::time::Instant::now();
            thread::park_timeout(IDLE);
            rested = start.elapsed() >= IDLE;
            queue = lock(&self.0.queue);
        }
    }

    fn take(&self, queue: &mut Queue) -> Option<Batch> {
        if let Some(looks) = self.take_looks(queue) {
            return Some(Batch::Looks(looks));
        }
        if !queue.digesting
            && let Some((root, request)) = queue.digests.pop_front()
        {
            queue.digesting = true;
            return Some(Batch::Digest(root, request));
        }
        if !queue.lists.is_empty() {
            let many = queue.lists.len().min(BATCH);
            return Some(Batch::Lists(queue.lists.drain(..many).collect()));
        }
        (!queue.tidy.is_empty()).then(|| Batch::Tidy(mem::take(&mut queue.tidy)))
    }

    fn take_looks(&self, queue: &mut Queue) -> Option<Vec<(Arc<Root>, LookRequest)>> {
        if queue.looking || queue.looks.is_empty() {
            return None;
        }
        queue.looking = true;
        let many = queue.looks.len().min(BATCH);
        let looks = queue.looks.drain(..many).collect();
        self.0.looks.store(queue.looks.len(), Ordering::Release);
        Some(looks)
    }

    fn do_looks(&self, looks: Vec<(Arc<Root>, LookRequest)>) {
        let mut visit = None;
        let mut looked: Vec<Looked> = Vec::with_capacity(looks.len());
        let mut names = 0;
        for (root, request) in looks {
            if root.is_closed() {
                continue;
            }
            names += request.names.len();
            looked.push(looker::look(self.visit(&mut visit, root), request));
            if names >= ANSWER_ENTRIES {
                self.send(Input::Looked(mem::take(&mut looked)));
                names = 0;
            }
        }
        if !looked.is_empty() {
            self.send(Input::Looked(looked));
        }
        lock(&self.0.queue).looking = false;
    }

    fn do_lists(&self, lists: Vec<(Arc<Root>, ListRequest, Option<u64>)>, answers: &mut Answers<'_>) {
        let mut visit = None;
        for (root, request, ticket) in lists {
            self.looks_first();
            if root.is_closed() || self.0.threads.stopping() {
                continue;
            }
            let ListRequest { watch, folder, scan, .. } = request;
            lister::list(self.visit(&mut visit, Arc::clone(&root)), &request, |part| {
                answers.push(Listing { watch, folder, scan, part });
                self.looks_first();
                !root.is_closed() && !self.0.threads.stopping()
            });
            if let (Some(ticket), Some(source)) = (ticket, &root.source) {
                source.done((watch, folder), ticket);
            }
        }
    }

    fn do_digest(&self, root: &Arc<Root>, request: &DigestRequest) {
        if !root.is_closed() {
            let visit = Visit::begin(Arc::clone(root), self.0.own.now());
            let digested = digester::digest(&visit, request, || {
                self.looks_first();
                !root.is_closed() && !self.0.threads.stopping()
            });
            self.send(Input::Digested(digested));
        }
        lock(&self.0.queue).digesting = false;
    }

    /// Does the looks that came meanwhile.
    fn looks_first(&self) {
        while self.0.looks.load(Ordering::Acquire) > 0 {
            let Some(looks) = self.take_looks(&mut lock(&self.0.queue)) else { return };
            self.do_looks(looks);
        }
    }

    /// The visit to this root: the one that is on, or a new one.
    fn visit<'a>(&self, visit: &'a mut Option<Visit>, root: Arc<Root>) -> &'a Visit {
        if visit.as_ref().is_some_and(|visit| !Arc::ptr_eq(&visit.root, &root)) {
            *visit = None;
        }
        visit.get_or_insert_with(|| Visit::begin(root, self.0.own.now()))
    }

    fn send(&self, input: Input) {
        // False only when the engine is gone or everything stops.
        self.0.threads.send(&self.0.inbox, input, &AtomicBool::new(false));
    }
}

enum Batch {
    Looks(Vec<(Arc<Root>, LookRequest)>),
    Digest(Arc<Root>, DigestRequest),
    Lists(Vec<(Arc<Root>, ListRequest, Option<u64>)>),
    Tidy(Vec<Arc<Root>>),
}

/// Parts of listings that are sent together.
struct Answers<'a> {
    pool: &'a Pool,
    listed: Vec<Listing>,
    entries: usize,
}

impl Answers<'_> {
    fn push(&mut self, listing: Listing) {
        if let ListPart::Entries(entries) = &listing.part {
            self.entries += entries.len();
        }
        self.listed.push(listing);
        if self.listed.len() >= ANSWER_LISTINGS || self.entries >= ANSWER_ENTRIES {
            self.send();
        }
    }

    fn send(&mut self) {
        self.entries = 0;
        let listed = mem::replace(&mut self.listed, Vec::with_capacity(ANSWER_LISTINGS));
        self.pool.send(Input::Listed(listed));
    }
}
