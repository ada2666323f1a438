//! How the two programs talk: the service, its guarded codec, the version preamble, where things are, connecting.

pub mod service;

pub use service::{Fsmon, FsmonClient};
