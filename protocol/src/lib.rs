//! The contract between fsmond and fsmonctl, and the only crate both use.
//!
//! Always here: the types that travel (specs, records, runs, status, errors) and the one line of `tail`. Behind the
//! feature `rpc`: the service, its guarded codec, the version preamble, the one rule for where things are, and connecting.
//!
//! The wire is bincode, which describes nothing by itself. So in every type here: never reorder or remove a field or
//! a variant, never use `skip_serializing_if`, `untagged` or `flatten`. New things go at the end, with a new
//! [`VERSION`]; golden files hold the bytes of every message.

pub mod doctor;
pub mod error;
pub mod event;
pub mod explain;
pub mod file;
pub mod fingerprint;
pub mod line;
pub mod path;
pub mod rpc_types;
pub mod run;
pub mod spec;
pub mod status;
pub mod units;
pub mod verify;

#[cfg(feature = "rpc")]
pub mod rpc;

pub use error::{ApiError, ErrorKind};
pub use event::Record;
pub use path::RawPath;
pub use units::{Size, Span, SpanOrOff, Timestamp};

/// Version of the wire format. A client and a daemon of different versions refuse each other with a clear message.
pub const VERSION: u16 = 1;
