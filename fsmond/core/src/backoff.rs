//! How long to wait before a failed file is tried again.

use std::time::Duration;

/// The longest pause, as a multiple of the first.
const CEILING: u32 = 300;

/// The pause after attempt number `attempt` (from 1) has failed: it doubles from `first` up to 300 times that, and
/// `random` (0 to 1) spreads it over its upper half, so that many files that failed together do not come back
/// together.
pub fn pause(first: Duration, attempt: u32, random: f64) -> Duration {
    let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(CEILING).clamp(1, CEILING);
    first.saturating_mul(doubled).mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_its_ceiling_and_stays_in_its_upper_half() {
        let first = Duration::from_secs(1);
        for (attempt, whole) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (32, 300), (33, 300), (u32::MAX, 300)] {
            assert_eq!(pause(first, attempt, 1.0), Duration::from_secs(whole), "attempt {attempt}");
            assert_eq!(pause(first, attempt, 0.0), Duration::from_millis(whole * 500), "attempt {attempt}");
        }
    }
}
