//! What was submitted to the store's thread and not yet taken by it. Whoever submits something wakes the thread only if it
//! does not come by itself in time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fsmon_core::io::{Ack, StoreOp};

/// How long operations that nobody waits for may gather.
const LINGER: Duration = Duration::from_millis(20);

/// What was submitted together.
pub(super) type Batch = Vec<(StoreOp, Option<Ack>)>;

/// How long a batch may wait for others.
pub(super) fn patience(batch: &Batch) -> Duration {
    let of = |(operation, ack): &(StoreOp, Option<Ack>)| match operation {
        _ if ack.is_some() => Duration::ZERO,
        // What is not stored when the daemon dies is run again.
        StoreOp::RunEnd(_) => Duration::ZERO,
        _ => LINGER,
    };
    batch.iter().map(of).min().unwrap_or(LINGER)
}

/// Clones share the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Mailbox(Arc<Mutex<Mail>>);

#[derive(Debug, Default)]
struct Mail {
    batches: Vec<Batch>,
    /// Within what time the thread comes by itself, where it does.
    comes: Option<Duration>,
}

impl Mailbox {
    /// Puts a batch behind all others. Returns whether the thread has to be woken.
    pub(super) fn post(&self, batch: Batch) -> bool {
        let patience = patience(&batch);
        let mut mail = self.lock();
        mail.batches.push(batch);
        mail.comes.is_none_or(|within| within > patience)
    }

    /// Takes all there is. From now on the thread has to be woken.
    pub(super) fn take(&self) -> Vec<Batch> {
        let mut mail = self.lock();
        mail.comes = None;
        std::mem::take(&mut mail.batches)
    }

    /// The thread comes by itself within this time.
    pub(super) fn comes_within(&self, time: Duration) {
        self.lock().comes = Some(time);
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        // Nothing that is done under this lock can leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
