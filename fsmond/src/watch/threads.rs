//! The threads of this edge: how they start, how they send without ever being stuck for good, how all are stopped.
//!
//! A thread of this edge waits in one of three ways: parked (here and in the pool), in `poll` (the reader), or inside a
//! system call of a mount that hangs. The first two end when they are asked to; the third cannot be ended by anyone,
//! so [`Threads::stop`] has a limit and leaves such a thread behind. Must never hold its lock while it waits.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// Locks, also after a panic of another holder: every critical section of this edge leaves its data whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All threads of one edge. Cloning shares them.
#[derive(Clone, Default)]
pub struct Threads(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stop: AtomicBool,
    alive: Mutex<HashMap<ThreadId, Thread>>,
    gone: Condvar,
}

/// Takes a thread off the list when it ends, also by a panic.
struct Present(Arc<Inner>);

impl Drop for Present {
    fn drop(&mut self) {
        lock(&self.0.alive).remove(&thread::current().id());
        self.0.gone.notify_all();
    }
}

/// Wakes a thread that polls a future by hand.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Threads {
    /// Starts a thread; the name is cut by the system at 15 bytes.
    pub fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
        let inner = Arc::clone(&self.0);
        // Held until the thread is on the list, so that it cannot take itself off before.
        let mut alive = lock(&self.0.alive);
        let handle = thread::Builder::new().name(name.to_owned()).stack_size(512 * 1024).spawn(move || {
            let _present = Present(inner);
            body();
        })?;
        let thread = handle.thread().clone();
        alive.insert(thread.id(), thread.clone());
        Ok(thread)
    }

    /// Whether all threads are to end.
    pub fn stopping(&self) -> bool {
        self.0.stop.load(Ordering::Acquire)
    }

    /// Waits while the channel is full, for a place in it. None: nobody takes anything any more, or `quit` or a stop
    /// came first; both are noticed by a thread that waits here once it is unparked.
    pub fn reserve<'a, T>(&self, sender: &'a mpsc::Sender<T>, quit: &AtomicBool) -> Option<mpsc::Permit<'a, T>> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut reserve = pin!(sender.reserve());
        loop {
            if self.stopping() || quit.load(Ordering::Acquire) {
                return None;
            }
            match reserve.as_mut().poll(&mut context) {
                Poll::Ready(permit) => return permit.ok(),
                Poll::Pending => thread::park(),
            }
        }
    }

    /// Sends, waiting as [`reserve`](Self::reserve) does. False: it was not sent.
    pub fn send<T>(&self, sender: &mpsc::Sender<T>, item: T, quit: &AtomicBool) -> bool {
        self.reserve(sender, quit).map(|permit| permit.send(item)).is_some()
    }

    /// Asks all threads to end and waits for them, at most `limit`. Returns how many are left.
    pub fn stop(&self, limit: Duration) -> usize {
        self.0.stop.store(true, Ordering::Release);
        let until = Instant::now() + limit;
        let mut alive = lock(&self.0.alive);
        loop {
            alive.values().for_each(Thread::unpark);
            let left = until.saturating_duration_since(Instant::now());
            if alive.is_empty() || left.is_zero() {
                return alive.len();
            }
            alive = self.0.gone.wait_timeout(alive, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
