//! fsmonctl as its users meet it: the real binary, and at the other end of a real socket a daemon that answers by
//! script. What the daemon does is tested elsewhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod explain;
mod fake;
mod tail;
mod terminal;
mod verbs;
mod verify;
