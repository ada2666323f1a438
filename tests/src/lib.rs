//! The harness of the end-to-end tests and of the benchmark: the real programs on real folders.
//!
//! A [`Daemon`] lives in a temporary folder of its own and shares nothing with any other; so tests run in parallel,
//! as root or not, beside an installed fsmond. Nothing here may look inside the daemon: only its two programs, its log,
//! its exit codes and what its commands leave behind. Waiting is always for a level, with a limit: see [`wait`].

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "all of this package is test code")]
#![allow(clippy::return_self_not_must_use, reason = "a check gives back what it checked")]

pub mod ctl;
pub mod daemon;
pub mod job;
pub mod mirror;
pub mod names;
pub mod process;
pub mod programs;
pub mod tail;
pub mod tree;
pub mod wait;

pub use ctl::Ran;
pub use daemon::{Daemon, DaemonOptions, StartFailure};
pub use job::{Job, JobRun};
pub use mirror::Mirror;
pub use tail::{Line, Tail};
pub use wait::{LIMIT, until};
