//! How the two programs talk: the service, its guarded codec, the version preamble, where things are, connecting.
//!
//! A client takes `places` to find the socket, `connect` to get a [`FsmonClient`], and [`context`] for each call. The
//! daemon accepts by itself and gives each stream to `server`.

pub mod codec;
pub mod connect;
pub mod places;
pub mod preamble;
pub mod server;
pub mod service;
pub mod stall;

pub use connect::{call_error, connect, connect_first, context};
pub use service::{Fsmon, FsmonClient, FsmonRequest, FsmonResponse, ServeFsmon};
