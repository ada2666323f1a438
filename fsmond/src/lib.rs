//! fsmond, the file system monitor daemon, as a library: `main` only calls [`app`].
//!
//! Here is the world around the pure core: one folder per edge (watch, store, runner, host), the engine that owns the
//! core, the server that lets fsmonctl in, and the app that joins them. Edges know the core's types and their one
//! outside crate, not each other and not the engine.

pub mod app;
pub mod args;
pub mod edges;
pub mod engine;
pub mod host;
pub mod rpc;
pub mod runner;
pub mod store;
pub mod watch;
