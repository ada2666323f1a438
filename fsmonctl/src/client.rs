//! The daemon at the other end: found, asked, and its answers told apart from a broken connection.
//!
//! Nothing else in fsmonctl knows that there is a socket. Every request has a deadline; what is long is asked for in
//! slices, so that a daemon that hangs is noticed.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fsmon_protocol::ApiError;
use fsmon_protocol::rpc::places::{Env, Given, Which, client_sockets};
use fsmon_protocol::rpc::{FsmonClient, call_error, connect_first, context};
use fsmon_protocol::rpc_types::Reply;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tarpc::client::RpcError;
use tarpc::context::Context;
use tokio::net::UnixStream;

use crate::args::Global;

/// What a verb wants of the daemon: where there are two daemons, only looking may be left to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To look.
    Look,
    /// To change something.
    Change,
}

/// A connection to a daemon.
pub struct Client {
    rpc: FsmonClient,
    socket: PathBuf,
}

impl Client {
    /// Connects to the first daemon that answers at the places where it may be.
    pub async fn connect(global: &Global, purpose: Purpose) -> Result<Self, ApiError> {
        let daemon = match (global.user, global.system) {
            (true, _) => Some(Which::User),
            (false, true) => Some(Which::System),
            (false, false) => None,
        };
        let env = Env::of_process(Given { socket: global.socket.clone(), daemon, ..Given::default() });
        let sockets = client_sockets(&env)?;
        let places = match purpose {
            Purpose::Look => sockets.to_look(),
            Purpose::Change => sockets.to_change()?,
        };
        let (rpc, socket) = connect_first(&places).await?;
        Ok(Self { rpc, socket })
    }

    /// The service's methods; each wants a context first, from [`soon`] or [`within`].
    pub fn rpc(&self) -> &FsmonClient {
        &self.rpc
    }

    /// Whether the daemon is gone: nothing listens at its socket any more, and it has given up the lock beside it, which
    /// it does when all is stored.
    pub async fn is_gone(&self) -> bool {
        // Anything else, such as a full queue of connections, still has a listener behind it.
        let gone = |error: io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
        UnixStream::connect(&self.socket).await.is_err_and(gone) && !is_locked(&self.socket)
    }
}

/// Whether a daemon holds the lock `<socket>.lock`. One that can't be opened is that of somebody else's daemon, or of one
/// whose socket the service manager made; then the socket alone tells.
fn is_locked(socket: &Path) -> bool {
    let mut lock = socket.as_os_str().to_owned();
    lock.push(".lock");
    let held = |file| flock(file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK);
    File::open(lock).is_ok_and(held)
}

/// The context of a request that is answered without waiting.
pub fn soon() -> Context {
    context(Duration::ZERO)
}

/// The context of a request that the daemon may answer only after `wait`.
pub fn within(wait: Duration) -> Context {
    context(wait)
}

/// The answer to one request, a refusal and a broken connection alike as an error. A question holds every option that a
/// watch can have several times over, so it is kept in one place while it is asked.
pub fn ask<'q, T: 'q>(
    question: impl Future<Output = Result<Reply<T>, RpcError>> + 'q,
) -> impl Future<Output = Result<T, ApiError>> + 'q {
    let question = Box::pin(question);
    async move { question.await.map_err(|error| call_error(&error))? }
}

/// A duration as whole milliseconds, as requests carry it.
pub fn millis(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)
}
