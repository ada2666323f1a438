//! The host: everything the daemon asks of the operating system that is not watching, storing, running or serving.
//!
//! In the order in which a start needs them: the config, who owns files ([`ownership`]), the lock, going into the
//! background, the log, clocks, signals, limits, the time zone. The pieces know the protocol's types and the core's `Now`; none knows
//! the engine, another edge, or the order: the app joins them. What differs between operating systems is in `linux`
//! and its sibling `bsd`.

pub mod bounds;
#[cfg(not(target_os = "linux"))]
mod bsd;
pub mod chain;
pub mod clock;
pub mod config;
pub mod daemonize;
pub mod examine;
pub mod identity;
pub mod limits;
#[cfg(target_os = "linux")]
mod linux;
pub mod lock;
pub mod log;
pub mod memory;
pub mod notify;
pub mod ownership;
pub mod signals;
pub mod user;
pub mod zone;

#[cfg(not(target_os = "linux"))]
use bsd as os;
#[cfg(target_os = "linux")]
use linux as os;
