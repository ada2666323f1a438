//! Which sweeps count on the result of which pending file. It answers nobody.
//!
//! Beside the pending files and not in them: of many thousands that are pending, mostly none is waited for.

use std::collections::HashMap;

/// Which sweeps count on the result of which file.
#[derive(Debug, Default)]
pub struct Waiters {
    of: HashMap<u32, Vec<u64>>,
}

impl Waiters {
    /// A sweep counts on the result of this file. Returns whether that is new.
    pub fn join(&mut self, at: u32, sweep: u64) -> bool {
        let sweeps = self.of.entry(at).or_default();
        let new = !sweeps.contains(&sweep);
        if new {
            sweeps.push(sweep);
        }
        new
    }

    /// A sweep no longer counts on any. Returns of how many it did.
    pub fn leave(&mut self, sweep: u64) -> u64 {
        let mut left = 0;
        self.of.retain(|_, sweeps| {
            let before = sweeps.len();
            sweeps.retain(|waits| *waits != sweep);
            left += (before - sweeps.len()) as u64;
            !sweeps.is_empty()
        });
        left
    }

    /// The sweeps that count on this file do no longer, but for these.
    pub fn take_but(&mut self, at: u32, later: &[u64]) -> Vec<u64> {
        let Some(sweeps) = self.of.get_mut(&at) else { return Vec::new() };
        let taken = sweeps.extract_if(.., |sweep| !later.contains(sweep)).collect();
        if sweeps.is_empty() {
            self.of.remove(&at);
        }
        taken
    }

    /// The file is pending no more.
    pub fn forget(&mut self, at: u32) {
        self.of.remove(&at);
    }
}
