//! What the daemon needs for one connection: the preamble, then a guarded transport with every limit set.
//!
//! Accepting, who may connect and what they may do are the daemon's own business: nothing here listens or decides.

use std::time::Duration;

use tarpc::server::limits::requests_per_channel::MaxRequests;
use tarpc::server::{BaseChannel, Channel, Config};
use tokio::net::UnixStream;
use tokio_util::codec::Framed;

use super::codec::DaemonWire;
use super::preamble::{self, PreambleError};
use super::service::{FsmonRequest, FsmonResponse};
use super::stall::StallGuard;

/// Requests that one connection may have in flight; one more is refused, not queued.
pub const MAX_IN_FLIGHT: usize = 32;

/// How long a client may leave a reply unread before its connection is closed.
pub const LONGEST_STALL: Duration = Duration::from_secs(10);

/// One connection, ready for tarpc. Its stream ends with an error at the first message that is not acceptable.
pub type Transport = Framed<StallGuard<UnixStream>, DaemonWire<FsmonRequest, FsmonResponse>>;

/// One connection as tarpc's channel, with every limit set.
pub type Connection = MaxRequests<BaseChannel<FsmonRequest, FsmonResponse, Transport>>;

/// Exchanges preambles on a stream that was accepted, within [`preamble::LONGEST_TIME`], and makes it a transport.
pub async fn transport(mut stream: UnixStream) -> Result<Transport, PreambleError> {
    preamble::exchange(&mut stream, crate::VERSION, preamble::LONGEST_TIME).await?;
    Ok(Framed::new(StallGuard::new(stream, LONGEST_STALL), DaemonWire::of_daemon()))
}

/// The connection as tarpc's channel, with [`MAX_IN_FLIGHT`] applied.
///
/// Drive `channel(transport).execute(server.serve())` in a task of this connection alone, and spawn each request that
/// comes out of it: a panic then ends only the one or the other.
pub fn channel(transport: Transport) -> Connection {
    let config = Config { pending_response_buffer: MAX_IN_FLIGHT };
    BaseChannel::new(config, transport).max_concurrent_requests(MAX_IN_FLIGHT)
}
