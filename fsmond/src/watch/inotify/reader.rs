//! The thread that only reads: from the kernel's queue into batches of hints on the ring.
//!
//! When the ring is full it waits, and the kernel's own queue is the only thing that can overflow. Must never touch a
//! file, since it must not hang with a mount.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fsmon_core::io::{Hint, HintWhat};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};

use super::super::threads::{Threads, lock};
use super::Instance;
use super::decode::{Decoder, Events};
use crate::edges::HintRing;

const BUFFER: usize = 64 * 1024;

/// Events that come one by one in a steady stream would cost a wake-up of the engine each. After this many reads with
/// less than [`STEADY`] between them the reader lets some gather for [`GATHER`]; at the highest rates seen (300,000 a
/// second) that is a hundred of the kernel's 16,384 places.
const STREAK: u32 = 16;
const STEADY: Duration = Duration::from_millis(1);
const GATHER: Duration = Duration::from_micros(300);

/// Reads until the instance or the whole edge ends.
pub fn run(instance: &Arc<Instance>, threads: &Threads, ring: &HintRing) {
    let mut buffer = vec![0_u8; BUFFER];
    let mut decoder = Decoder::default();
    let mut last = Instant::now();
    let mut streak = 0_u32;
    while wait(instance, threads) {
        streak = if last.elapsed() < STEADY { streak.saturating_add(1) } else { 0 };
        if streak > STREAK && !gather(instance, threads) {
            break;
        }
        last = Instant::now();
        let hints = match read(&instance.fd, &mut buffer) {
            Ok(length) => decode(instance, &mut decoder, &buffer[..length]),
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(error) => {
                threads.send(ring, failed(instance, error), &instance.quit);
                instance.quit.store(true, Ordering::Release);
                break;
            }
        };
        if !hints.is_empty() && !threads.send(ring, hints, &instance.quit) {
            break;
        }
    }
    tracing::debug!(stale = decoder.stale, "inotify reader ended");
}

/// Waits for events. False: it is time to end.
fn wait(instance: &Instance, threads: &Threads) -> bool {
    let mut fds = [PollFd::new(&instance.fd, PollFlags::IN), PollFd::new(&instance.wake, PollFlags::IN)];
    // EINTR and anything else: what there is to read is found by reading.
    let _ready = poll(&mut fds, None);
    !instance.quit.load(Ordering::Acquire) && !threads.stopping()
}

/// Lets events gather. False: it is time to end.
fn gather(instance: &Instance, threads: &Threads) -> bool {
    let mut fds = [PollFd::new(&instance.wake, PollFlags::IN)];
    let limit = Timespec::try_from(GATHER).ok();
    let _ready = poll(&mut fds, limit.as_ref());
    !instance.quit.load(Ordering::Acquire) && !threads.stopping()
}

/// Whether the queue has nothing to read now.
fn is_empty(instance: &Instance) -> bool {
    let mut fds = [PollFd::new(&instance.fd, PollFlags::IN)];
    matches!(poll(&mut fds, Some(&Timespec::default())), Ok(0))
}

fn decode(instance: &Instance, decoder: &mut Decoder, bytes: &[u8]) -> Vec<Hint> {
    let mut hints = Vec::with_capacity(bytes.len() / 32);
    let mut map = lock(&instance.map);
    let mut arms_waited_for = false;
    for raw in Events(bytes) {
        if !arms_waited_for && raw.wd >= 0 && !map.is_used(raw.wd) {
            // It may belong to an arming that has not been entered yet. All that gave a descriptor before this read
            // are entered once the lock on arming has been free once.
            arms_waited_for = true;
            drop(map);
            drop(lock(&instance.arming));
            map = lock(&instance.map);
        }
        decoder.event(raw, &mut map, &mut hints);
    }
    if decoder.awaits_empty() && is_empty(instance) {
        decoder.read_empty(&map, &mut hints);
    }
    hints
}

fn failed(instance: &Instance, error: Errno) -> Vec<Hint> {
    let why = format!("reading events failed: {error}");
    let map = lock(&instance.map);
    map.watches().iter().map(|watch| Hint { watch: *watch, what: HintWhat::SourceFailed(why.clone()) }).collect()
}
