//! Where mounts are not told: the same shape. The regular scans find what would have been told.

#![expect(clippy::unused_self, reason = "the shape of what is there on Linux")]

use std::path::Path;

use fsmon_core::io::WatchId;

use super::threads::Threads;
use crate::edges::{HintRing, Inbox};

/// Nothing.
#[derive(Clone)]
pub struct Surroundings;

impl Surroundings {
    /// Nothing.
    pub fn new(_threads: Threads, _inbox: Inbox, _ring: HintRing) -> Self {
        Self
    }

    /// Nothing is told.
    pub fn lead_to(&self, _watch: WatchId, _root: &Path) {}

    /// Nothing to forget.
    pub fn forget(&self, _watch: WatchId) {}

    /// Nothing to end.
    pub fn quit(&self) {}
}
