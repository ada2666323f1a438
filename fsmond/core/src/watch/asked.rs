//! What was asked of the file system and is not answered: where that lasts, it hangs. It decides nothing.

/// So long without any answer, in nanoseconds, and the file system counts as one that hangs.
const STUCK: u64 = 5_000_000_000;

/// What one watch waits for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    requests: u64,
    /// When it last answered, or was asked with nothing outstanding.
    since: u64,
}

impl Asked {
    /// Something is asked.
    pub fn sent(&mut self, now: u64) {
        if self.requests == 0 {
            self.since = now;
        }
        self.requests += 1;
    }

    /// A request is answered.
    pub fn answered(&mut self, now: u64) {
        self.came(now, true);
    }

    /// Something came; whether it ends a request.
    pub fn came(&mut self, now: u64, ends: bool) {
        self.since = now;
        // An answer to what was asked before the source was closed is one too many.
        self.requests = self.requests.saturating_sub(u64::from(ends));
    }

    /// Nothing is awaited any more.
    pub fn nothing(&mut self) {
        self.requests = 0;
    }

    /// Whether it hangs.
    pub fn stuck(&self, now: u64) -> bool {
        self.requests > 0 && now.saturating_sub(self.since) >= STUCK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_on_a_request_is_a_hang() {
        let mut asked = Asked::default();
        assert!(!asked.stuck(100 * STUCK));
        asked.sent(10);
        asked.sent(20);
        assert!(!asked.stuck(9 + STUCK) && asked.stuck(10 + STUCK));
        asked.came(STUCK, false);
        assert!(!asked.stuck(10 + STUCK), "a part of an answer is a sign of life");
        asked.answered(STUCK);
        assert!(asked.stuck(3 * STUCK), "the other request is still out");
        asked.answered(3 * STUCK);
        assert!(!asked.stuck(100 * STUCK));
    }
}
