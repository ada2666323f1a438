//! The newest journal records in memory: how `tail` is fed before they are committed.
//!
//! The engine is the only writer. It never waits for a reader: a reader that is too slow is told that its cursor is
//! older than the ring, and reads the store first. Nothing is ever given twice or left out at that seam, since the
//! ring knows the number of the last record that it let go.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fsmon_core::io::WatchId;
use fsmon_protocol::event::Record;
use tokio::sync::watch;

/// How many records the ring holds. The oldest goes when it is full; by then it is in the store or soon will be.
pub const RING: usize = 4_096;

/// A record, and the watch it belongs to by number (its name may have been given to another one since).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingEntry {
    /// The watch, where it belongs to one.
    pub watch: Option<WatchId>,
    /// The record, which the store may have yet to write.
    pub record: Arc<Record>,
}

/// What reading from a cursor on gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RingRead {
    /// Everything after the cursor, in order, up to the limit that was given.
    Entries(Vec<RingEntry>),
    /// The ring holds only what comes after this number: the store has what is before.
    Older(u64),
}

#[derive(Debug)]
struct Shared {
    entries: VecDeque<RingEntry>,
    /// Number of the last record that is not in the ring any more (or never was: the newest at start).
    gone: u64,
    capacity: usize,
}

/// The engine's end. When it is dropped, waiting readers are told that no more will come.
#[derive(Debug)]
pub(super) struct RingWriter {
    shared: Arc<Mutex<Shared>>,
    news: watch::Sender<u64>,
    staged: Vec<RingEntry>,
}

/// A reader's end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ring {
    shared: Arc<Mutex<Shared>>,
    news: watch::Receiver<u64>,
}

/// Makes a ring of [`RING`] records that begins after `last_seq`.
pub(super) fn ring(last_seq: u64) -> (RingWriter, Ring) {
    with_capacity(last_seq, RING)
}

pub(super) fn with_capacity(last_seq: u64, capacity: usize) -> (RingWriter, Ring) {
    let shared = Arc::new(Mutex::new(Shared { entries: VecDeque::new(), gone: last_seq, capacity }));
    let (sender, news) = watch::channel(last_seq);
    (RingWriter { shared: shared.clone(), news: sender, staged: Vec::new() }, Ring { shared, news })
}

impl RingWriter {
    /// Takes one record. Readers see it at the next [`RingWriter::publish`]. Numbers rise.
    pub fn push(&mut self, entry: RingEntry) {
        self.staged.push(entry);
    }

    /// Shows what was pushed and wakes whoever waits.
    pub fn publish(&mut self) {
        let Some(last) = self.staged.last().map(|e| e.record.seq) else { return };
        let mut let_go = Vec::new();
        {
            let mut shared = lock(&self.shared);
            shared.entries.extend(self.staged.drain(..));
            while shared.entries.len() > shared.capacity {
                if let Some(entry) = shared.entries.pop_front() {
                    shared.gone = entry.record.seq;
                    let_go.push(entry);
                }
            }
        }
        self.news.send_replace(last);
        // Records are freed after the lock, so that readers never wait for the allocator.
        drop(let_go);
    }
}

impl Ring {
    /// Number of the newest record.
    pub fn last(&self) -> u64 {
        *self.news.borrow()
    }

    /// At most `max` records after number `after`.
    pub fn read(&self, after: u64, max: usize) -> RingRead {
        let shared = lock(&self.shared);
        if after < shared.gone {
            return RingRead::Older(shared.gone);
        }
        let start = shared.entries.partition_point(|e| e.record.seq <= after);
        RingRead::Entries(shared.entries.range(start..).take(max).cloned().collect())
    }

    /// Waits until there is a record after number `after`. False: no more will come, the engine has ended.
    pub async fn wait_beyond(&mut self, after: u64) -> bool {
        self.news.wait_for(|last| *last > after).await.is_ok()
    }
}

/// The lock is only ever held for copying; a panic meanwhile leaves nothing half done.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
