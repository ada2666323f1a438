//! The clocks. The only place that reads them for the core, which never does.

use std::time::Duration;

use fsmon_core::Now;
use fsmon_protocol::Timestamp;
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::os;

/// How long it is waited for the clock of the file systems. Should it stand still for longer, what was made in that time
/// before a watch counts as made after it, and runs.
const LONGEST_TICK_MS: u32 = 1_000;

/// All clocks, read one right after the other. The wall clock is asked by way of the C library, where a test can set it
/// for one process.
pub fn now() -> Now {
    Now { mono: mono(), wall: Timestamp::now(), stamp: coarse_wall() }
}

/// Nanoseconds of a clock that is never set and, on Linux, goes on in suspend.
pub fn mono() -> u64 {
    u64::try_from(nanos(clock_gettime(os::MONO))).unwrap_or(0)
}

/// Microseconds of `CLOCK_MONOTONIC`, which stands still in suspend: only for what the service manager compares.
pub fn monotonic_micros() -> i64 {
    nanos(clock_gettime(ClockId::Monotonic)) / 1_000
}

/// The wall clock as file systems stamp files with it: on Linux up to one tick (1 to 10 ms) behind [`now`].
pub fn coarse_wall() -> Timestamp {
    Timestamp(nanos(clock_gettime(os::COARSE)))
}

/// Waits until [`coarse_wall`] is past this moment: a tick or two, or as long as the machine is not given its time. Since Linux
/// 6.13 some files are stamped with the exact time, which the coarse one is behind.
pub async fn later_stamp() {
    let before = exact_wall();
    for _ in 0..LONGEST_TICK_MS {
        if coarse_wall() > before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The wall clock itself, which no test can set for one process.
fn exact_wall() -> Timestamp {
    Timestamp(nanos(clock_gettime(ClockId::Realtime)))
}

/// Whole nanoseconds, at the ends of what 64 bits hold.
fn nanos(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mono_never_goes_back_and_wall_is_the_systems() {
        let (first, second) = (now(), now());
        assert!(second.mono >= first.mono);
        let system = Timestamp::now();
        assert!(system.since(first.wall) < Duration::from_secs(60));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_clock_that_is_never_set_goes_on_in_suspend() {
        assert_eq!(os::MONO, ClockId::Boottime);
    }

    #[tokio::test]
    async fn what_was_made_before_a_later_stamp_has_an_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, b"x").unwrap();
        later_stamp().await;
        let stamp = Timestamp::from(std::fs::metadata(&path).unwrap().modified().unwrap());
        assert!(stamp < now().stamp);
    }

    #[test]
    fn a_fresh_file_is_stamped_within_the_coarse_clock() {
        let folder = tempfile::tempdir().unwrap();
        let before = coarse_wall();
        let path = folder.path().join("f");
        std::fs::write(&path, b"x").unwrap();
        let stamp = Timestamp::from(std::fs::metadata(&path).unwrap().modified().unwrap());
        let after = now().wall;
        // Where the kernel has fine-grained stamps they lie between both as well.
        assert!(before <= stamp && stamp <= after, "{before} <= {stamp} <= {after}");
    }
}
