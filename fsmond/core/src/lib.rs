//! The pure state machine of fsmond: `step(now, input) -> effects`.
//!
//! Here is every decision: what counts as a change, when a file has settled, what runs next, what a schedule is due.
//! Here is never any I/O, clock, thread, lock, async or randomness but a seed. The same inputs give the same effects.

mod backoff;
mod commands;
pub mod filter;
pub mod ident;
pub mod ignores;
pub mod io;
pub mod judge;
pub mod lanes;
mod machine;
pub mod plan;
pub mod preview;
pub mod ready;
mod runs;
mod shared;
mod sweep;
pub mod template;
pub mod tree;
mod watch;

pub use io::{Effect, Input, Now};
pub use machine::{Machine, Numbers};
pub use watch::probe::PREFIX as PROBE_PREFIX;
