//! Where a pending file stands, in words of the core. It decides nothing.

use crate::io::RunId;

/// Where a pending file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits until it is complete and quiet.
    Settling,
    /// It is given out again at a pace, and its turn is to come.
    Paced,
    /// A look confirms what the run will be given.
    Checking,
    /// It waits for a free place.
    Ready,
    /// Its run is being recorded, or its command runs; whether it changed since.
    Running(RunId, bool),
    /// It failed and waits to be tried again.
    Backoff,
    /// It was set aside after its last attempt.
    Failed,
    /// It was processed, and is to be moved or deleted.
    Leaving,
}

impl Stage {
    /// Whether nothing more is to be run for it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Leaving)
    }
}

/// Whether a file is being moved or deleted: should it be gone, that was not somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// It is not.
    No,
    /// An earlier daemon may have done it.
    Perhaps,
    /// It was asked for and not yet answered, or done and not yet seen.
    Asked,
}
