//! What was submitted to the store's thread and not yet taken by it. Whoever submits what nobody waits for wakes the thread
//! only if it does not come by itself soon.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fsmon_core::io::{Ack, StoreOp};

/// What was submitted together.
pub(super) type Batch = Vec<(StoreOp, Option<Ack>)>;

/// Clones share the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Mailbox(Arc<Mutex<Mail>>);

#[derive(Debug, Default)]
struct Mail {
    batches: Vec<Batch>,
    /// The thread comes soon by itself.
    comes: bool,
}

impl Mailbox {
    /// Puts a batch behind all others. Returns whether the thread has to be woken.
    pub(super) fn post(&self, batch: Batch) -> bool {
        let awaited = is_awaited(&batch);
        let mut mail = self.lock();
        mail.batches.push(batch);
        awaited || !mail.comes
    }

    /// Takes all there is. From now on the thread has to be woken.
    pub(super) fn take(&self) -> Vec<Batch> {
        let mut mail = self.lock();
        mail.comes = false;
        std::mem::take(&mut mail.batches)
    }

    /// The thread comes soon by itself.
    pub(super) fn comes_soon(&self) {
        self.lock().comes = true;
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        // Nothing that is done under this lock can leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody waits for one of these.
pub(super) fn is_awaited(batch: &Batch) -> bool {
    batch.iter().any(|(_, ack)| ack.is_some())
}
