//! How much of what the engine asked for is still outstanding, and when that is too much to take more hints.
//!
//! Only hints are ever held back. A watch that has not answered for a while is left out of the sum: its mount hangs,
//! and a hung mount stops no other watch.

use std::collections::HashMap;

use fsmon_core::Input;
use fsmon_core::io::WatchId;

/// Looks that may be outstanding before hints wait.
pub const LOOKS: usize = 20_000;
/// Listings that may be outstanding before hints wait.
pub const LISTINGS: usize = 65_536;
/// Store operations that may be outstanding before hints wait.
pub const STORE_OPERATIONS: usize = 8_192;
/// After so many nanoseconds without an answer a watch counts as stuck.
const STUCK: u64 = 5_000_000_000;

/// Why hints wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The store is behind. It tells nobody when it has caught up, so it is asked again soon.
    Store,
    /// Looks or listings are behind; their answers wake the engine.
    Looks,
}

#[derive(Debug, Default, Clone, Copy)]
struct Asked {
    looks: usize,
    listings: usize,
    /// When the watch last answered, or was asked with nothing outstanding.
    since: u64,
}

/// What is outstanding, by watch.
#[derive(Debug, Default)]
pub struct Load {
    watches: HashMap<WatchId, Asked>,
    looks: usize,
    listings: usize,
}

impl Load {
    /// A look was asked for.
    pub fn look(&mut self, watch: WatchId, now: u64) {
        self.asked(watch, now).looks += 1;
        self.looks += 1;
    }

    /// A listing was asked for.
    pub fn listing(&mut self, watch: WatchId, now: u64) {
        self.asked(watch, now).listings += 1;
        self.listings += 1;
    }

    fn asked(&mut self, watch: WatchId, now: u64) -> &mut Asked {
        let asked = self.watches.entry(watch).or_default();
        if asked.looks + asked.listings == 0 {
            asked.since = now;
        }
        asked
    }

    /// A watch was closed: what it still owes will not be answered.
    pub fn closed(&mut self, watch: WatchId) {
        if let Some(asked) = self.watches.remove(&watch) {
            self.looks -= asked.looks;
            self.listings -= asked.listings;
        }
    }

    /// An input came: counts off what it answers in full. An answer to what a closed watch had asked is ignored, or
    /// counted for its successor; then the sum is a little too small for a moment, never too large.
    pub fn answered(&mut self, input: &Input, now: u64) {
        match input {
            Input::Looked(answers) => {
                for answer in answers {
                    if let Some(asked) = self.watches.get_mut(&answer.watch) {
                        asked.since = now;
                        let done = asked.looks.min(1);
                        asked.looks -= done;
                        self.looks -= done;
                    }
                }
            }
            Input::Listed(parts) => {
                for listing in parts {
                    if let Some(asked) = self.watches.get_mut(&listing.watch) {
                        asked.since = now;
                        let done = asked.listings.min(usize::from(listing.part.is_last()));
                        asked.listings -= done;
                        self.listings -= done;
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether hints wait, and for what. `backlog` is the store's.
    pub fn full(&self, backlog: usize, now: u64) -> Option<Full> {
        if backlog >= STORE_OPERATIONS {
            return Some(Full::Store);
        }
        if self.looks < LOOKS && self.listings < LISTINGS {
            return None;
        }
        let alive = self.watches.values().filter(|asked| now.saturating_sub(asked.since) < STUCK);
        let (looks, listings) = alive.fold((0, 0), |(l, s), asked| (l + asked.looks, s + asked.listings));
        (looks >= LOOKS || listings >= LISTINGS).then_some(Full::Looks)
    }
}
