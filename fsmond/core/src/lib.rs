//! The pure state machine of fsmond: `step(now, input) -> effects`.
//!
//! Here is every decision: what counts as a change, when a file has settled, what runs next, what a schedule is due.
//! Here is never any I/O, clock, thread, lock, async or randomness but a seed. The same inputs give the same effects.

pub mod filter;
pub mod io;
pub mod template;

pub use io::{Effect, Input, Now};
