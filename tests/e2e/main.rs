//! End to end: fsmond and fsmonctl as a person or a script meets them.
//!
//! One module for each theme. Nothing here knows how the programs work inside, and nothing asserts how fast they are.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "all of this is test code")]

mod after;
mod batch;
mod breaker;
mod commands;
mod complete;
mod copying;
mod crash;
mod dedupe;
mod detached;
mod doctor;
mod dry_run;
mod explain;
mod fresh_folders;
mod gitignore;
mod handed;
mod history;
mod ledger;
mod manager;
mod mounts;
mod names;
mod order;
mod overflow;
mod refusals;
mod replay;
mod restart;
mod roles;
mod roots;
mod safety;
mod schedule;
mod service;
mod socket;
mod socket_access;
// Reads what the kernel counts for the daemon, and is many users at once.
#[cfg(target_os = "linux")]
mod socket_flood;
mod state;
mod tools;
mod units;
mod verify;
mod watching;
mod workers;
