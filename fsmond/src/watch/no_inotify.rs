//! Where there is no inotify: the same shape, and a clear refusal.

#![expect(clippy::unused_self, reason = "the shape of what is there on Linux")]

use std::io;
use std::sync::Arc;

use fsmon_core::io::WatchId;

use super::source::Source;
use super::threads::Threads;
use crate::edges::HintRing;

/// None, ever.
pub struct Instances;

impl Instances {
    /// None.
    pub fn new(_threads: Threads, _ring: HintRing) -> Self {
        Self
    }

    /// Refused.
    pub fn join(&self, _watch: WatchId) -> io::Result<Arc<dyn Source>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "inotify is there on Linux only"))
    }

    /// Nothing to end.
    pub fn quit(&self) {}
}
