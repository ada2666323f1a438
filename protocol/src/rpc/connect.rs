//! How a client reaches a daemon, and what its errors mean to a person.
//!
//! A client trusts a daemon only by who runs it: root, the caller, or the user `fsmond`. Anyone can put a socket at a
//! path, and what a command line says may be secret.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tarpc::client::{Config, RpcError};
use tarpc::context::Context;
use tokio::net::UnixStream;
use tokio_util::codec::Framed;

use super::codec::ClientWire;
use super::places::check_socket_path;
use super::preamble::{self, PreambleError};
use super::server::MAX_IN_FLIGHT;
use super::service::FsmonClient;
use crate::error::{ApiError, ErrorKind};
use crate::path::RawPath;
use crate::rpc_types::LONGEST_WAIT;

/// The user that a packaged daemon runs as.
pub const DAEMON_USER: &str = "fsmond";

/// How long the daemon has for a reply, beyond the time it was asked to wait for news.
pub const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// Pause between attempts at a daemon whose queue of new connections is full.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// The context of a request that asks the daemon to wait up to `wait` for news; zero for all others. The daemon waits
/// at most [`LONGEST_WAIT`].
pub fn context(wait: Duration) -> Context {
    let mut context = Context::current();
    context.deadline = Instant::now() + wait.min(LONGEST_WAIT) + LONGEST_ANSWER;
    context
}

/// Connects to the daemon at `socket`. Needs a tokio runtime, on which a task then drives the connection until the
/// client is dropped.
pub async fn connect(socket: &Path) -> Result<FsmonClient, ApiError> {
    check_socket_path(socket)?;
    let limit = preamble::LONGEST_TIME;
    let mut stream = match tokio::time::timeout(limit, reach(socket)).await {
        Ok(reached) => reached.map_err(|error| unreachable_daemon(socket, &error))?,
        Err(_) => return Err(busy(socket, limit)),
    };
    check_peer(socket, &stream)?;
    preamble::exchange(&mut stream, crate::VERSION, limit).await.map_err(|error| no_talk(socket, &error))?;
    let mut config = Config::default();
    config.max_in_flight_requests = MAX_IN_FLIGHT;
    config.pending_request_buffer = MAX_IN_FLIGHT;
    Ok(FsmonClient::new(config, Framed::new(stream, ClientWire::of_client())).spawn())
}

/// Connects to the first of `sockets` at which a daemon answers, and says which. Goes on only where none answers: any
/// other error ends the search. With no daemon anywhere the error is that of the first.
pub async fn connect_first(sockets: &[&Path]) -> Result<(FsmonClient, PathBuf), ApiError> {
    let mut first_error = None;
    for socket in sockets {
        match connect(socket).await {
            Ok(client) => return Ok((client, socket.to_path_buf())),
            Err(error) if error.kind == ErrorKind::NoDaemon => {
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(first_error.unwrap_or_else(|| ApiError::bug("there was no socket to connect to")))
}

/// Linux refuses a connection with `EAGAIN` while the daemon's queue of new ones is full: that passes.
async fn reach(socket: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(socket).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(BUSY_PAUSE).await,
            other => return other,
        }
    }
}

fn busy(socket: &Path, limit: Duration) -> ApiError {
    ApiError::new(
        ErrorKind::TimedOut,
        format!("fsmond at {} takes no connection within {} s", RawPath::from(socket), limit.as_secs()),
    )
    .hint("it is overloaded or stopped: see its log, and whether its process is in state T or D")
}

fn unreachable_daemon(socket: &Path, error: &io::Error) -> ApiError {
    let path = RawPath::from(socket);
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
            ApiError::new(ErrorKind::NoDaemon, format!("no fsmond answers at {path}"))
                .hint("start one with: fsmond --foreground")
        }
        io::ErrorKind::PermissionDenied => {
            ApiError::new(ErrorKind::NotPermitted, format!("you may not connect to the socket {path}"))
                .hint("its owner and mode say who may; or choose your own daemon with --user or --socket")
        }
        _ => ApiError::new(ErrorKind::NoDaemon, format!("can't connect to {path}: {error}")),
    }
}

fn no_talk(socket: &Path, error: &PreambleError) -> ApiError {
    let path = RawPath::from(socket);
    match error {
        PreambleError::Version { ours, theirs } => {
            ApiError::refused(format!("fsmond speaks version {theirs}, this fsmonctl {ours}; use the same version"))
                .hint("after an update, restart fsmond")
        }
        PreambleError::Stranger => {
            ApiError::refused(format!("what listens at {path} is not fsmond")).hint("check --socket and FSMON_SOCKET")
        }
        PreambleError::TimedOut(limit) => busy(socket, *limit),
        PreambleError::Io(error) => {
            ApiError::new(ErrorKind::NoDaemon, format!("fsmond at {path} closed the connection: {error}"))
                .hint("it is stopping, or has too many connections: try again, and see its log")
        }
    }
}

/// Refuses a socket that someone else listens on.
fn check_peer(socket: &Path, stream: &UnixStream) -> Result<(), ApiError> {
    let path = RawPath::from(socket);
    // Not to know who it is must never read as trust.
    let peer = stream.peer_cred().map_err(|error| {
        ApiError::new(ErrorKind::NotPermitted, format!("can't tell who listens at {path}: {error}"))
    })?;
    let own = rustix::process::geteuid().as_raw();
    let daemon = nix::unistd::User::from_name(DAEMON_USER).ok().flatten().map(|user| user.uid.as_raw());
    if is_trusted(peer.uid(), own, daemon) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::NotPermitted,
        format!("who listens at {path} is user {}: neither root, nor you, nor {DAEMON_USER}", peer.uid()),
    )
    .hint("if that daemon is meant, run fsmonctl as its user"))
}

fn is_trusted(peer: u32, own: u32, daemon: Option<u32>) -> bool {
    peer == 0 || peer == own || daemon == Some(peer)
}

/// What a failed call means to a person.
pub fn call_error(error: &RpcError) -> ApiError {
    match error {
        RpcError::DeadlineExceeded => ApiError::new(ErrorKind::TimedOut, "fsmond did not answer in time")
            .hint("it may be busy or stuck: see fsmonctl status and its log"),
        RpcError::Shutdown | RpcError::Channel(_) => {
            ApiError::new(ErrorKind::NoDaemon, "fsmond closed the connection before it answered")
                .hint("it was stopped, or the request was too large: see its log")
        }
        // Only tarpc's own throttle makes these. Their kind can't be trusted: tarpc 0.38 writes it as i32, reads u32.
        RpcError::Server(refused) => {
            ApiError::refused(format!("fsmond refused the request: {}", crate::path::tame(&refused.detail)))
                .hint("at most 32 requests may be under way on one connection")
        }
        RpcError::Send(failed) => ApiError::bug(format!("the request could not be sent: {failed}")),
    }
}

#[cfg(test)]
mod tests;
