//! What goes into the machine and what comes out: one closed enum each. To know everything that can wake the daemon,
//! read [`Input`]; to know all that it can do, [`Effect`].

mod command;
mod effect;
mod input;
mod store;

pub use command::*;
pub use effect::*;
pub use input::*;
pub use store::*;

use fsmon_protocol::units::Timestamp;

/// One name in a folder: bytes without `/` or NUL.
pub type Name = Box<[u8]>;

/// What tells one state of a file from another: a hash of its content, or what stands for it. Stored.
pub type Digest = [u8; 32];

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds of a clock that is never set and goes on in suspend (`CLOCK_BOOTTIME`).
    pub mono: u64,
    /// Wall clock. Only for records, schedules across boots, and how long ago a file was written.
    pub wall: Timestamp,
    /// The clock that file systems stamp with, which lags up to a tick behind: what is made from now on is not stamped
    /// earlier.
    pub stamp: Timestamp,
}

/// A watch, for as long as it exists. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub u32);

/// An entry of one watch's tree. `index` may be reused later with another `generation`, so that a late answer about
/// an entry that is gone is told apart from one about its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Place in the tree, also the key of its stored row.
    pub index: u32,
    /// Which of the entries that had this place.
    pub generation: u32,
}

impl NodeId {
    /// The root folder of every watch.
    pub const ROOT: Self = Self { index: 0, generation: 0 };
}

/// The number of one run. Never reused.
pub type RunId = u64;

/// Ties an answer to the command it answers; chosen by the engine.
pub type Token = u64;
