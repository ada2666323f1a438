//! Waiting for a level, with a limit. The only place of this package that sleeps.
//!
//! No test may assert how fast something is; a limit is only there so that a broken program ends a test instead of
//! hanging it, and is therefore generous.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that comes at once on an idle machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// How often a level is looked at.
const TICK: Duration = Duration::from_millis(10);

/// Looks again and again until `holds`, for at most `limit`. Says whether it held.
pub fn holds_within(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        pause(TICK);
    }
}

/// Waits until `holds`, for at most `limit`; then panics with `what` was waited for.
pub fn until(limit: Duration, what: &str, holds: impl FnMut() -> bool) {
    assert!(holds_within(limit, holds), "not within {} s: {what}", limit.as_secs());
}

/// Sleeps: for pacing a writer or a measurement, never for giving a program time to do something.
pub fn pause(length: Duration) {
    thread::sleep(length);
}

/// Sleeps until `due`, if it is not past: for pacing a writer without drift.
pub fn pause_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        pause(left);
    }
}
