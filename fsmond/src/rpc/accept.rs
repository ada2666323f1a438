//! Accepting connections: who it is, whether there is a place, and a task for each.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use super::census::Census;
use super::peer::Peer;
use super::roles::Role;
use super::session::Session;
use super::{Limits, Server, connection};

/// Pause after accept has failed (no descriptors, no memory): the cause does not go away by asking again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts and serves until [`Server::stop`] is cancelled; then ends all connections, within [`Limits::stopping`], and
/// returns. The listener is closed first.
pub async fn serve(listener: UnixListener, server: Arc<Server>, limits: Limits) {
    let census = Census::new(limits);
    let mut connections = JoinSet::new();
    let mut failing = false;
    let mut crowded = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = server.stop.cancelled() => break,
            Some(ended) = connections.join_next() => {
                if let Err(failed) = ended {
                    error!(target: "fsmond::rpc", error = %failed, "a connection panicked: this is a bug in fsmond");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                if !failing {
                    warn!(target: "fsmond::rpc", %error, "connections can't be accepted, trying again until they can");
                }
                failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if std::mem::take(&mut failing) {
            info!(target: "fsmond::rpc", "connections can be accepted again");
        }
        let session = Session::new(server.clone(), Peer::of(&stream));
        match census.enter(session.uid(), session.role() == Some(Role::Admin)) {
            Ok(ticket) => {
                crowded = false;
                connections.spawn(async move {
                    connection::serve(stream, session, limits).await;
                    drop(ticket);
                });
            }
            Err(why) => {
                if !std::mem::replace(&mut crowded, true) {
                    warn!(target: "fsmond::rpc", uid = session.uid(), why, "connections are turned away");
                }
            }
        }
    }
    drop(listener);
    let ending = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.stopping + ACCEPT_PAUSE, ending).await.is_err() {
        debug!(target: "fsmond::rpc", left = connections.len(), "connections cut off");
    }
}
