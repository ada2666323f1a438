//! One connection: preamble, then requests until either side has had enough.
//!
//! Runs in a task of its own, and each request in another, so that a panic ends no more than the one or the other.

use std::pin::pin;
use std::time::Duration;

use fsmon_protocol::VERSION;
use fsmon_protocol::rpc::codec::DaemonWire;
use fsmon_protocol::rpc::preamble;
use fsmon_protocol::rpc::server::MAX_IN_FLIGHT;
use fsmon_protocol::rpc::stall::StallGuard;
use fsmon_protocol::rpc::{FsmonRequest, FsmonResponse};
use futures::StreamExt;
use tarpc::server::{BaseChannel, Channel, Config};
use tokio::net::UnixStream;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use super::Limits;
use super::gate::Gate;
use super::hang_up::HangUp;
use super::session::Session;

/// How long the last replies have to be written out after the last request is answered, when the daemon stops.
const LAST_WRITES: Duration = Duration::from_millis(100);

/// Serves one connection until it ends.
pub async fn serve(stream: UnixStream, session: Session, limits: Limits) {
    let hung_up = CancellationToken::new();
    let mut stream = StallGuard::new(HangUp::new(stream, hung_up.clone()), limits.unread_reply);
    let uid = session.uid();
    let stop = session.server.stop.clone();
    let greeting = preamble::exchange(&mut stream, VERSION, limits.first_request);
    let greeted = tokio::select! {
        biased;
        () = stop.cancelled() => return,
        greeted = greeting => greeted,
    };
    if let Err(error) = greeted {
        info!(target: "fsmond::rpc", uid, %error, "connection refused");
        return;
    }
    let why = talk(stream, Gate::new(session), &hung_up, &stop, limits).await;
    debug!(target: "fsmond::rpc", uid, why, "connection ended");
}

/// Requests and replies; says why it ended.
async fn talk(
    stream: StallGuard<HangUp<UnixStream>>,
    gate: Gate,
    hung_up: &CancellationToken,
    stop: &CancellationToken,
    limits: Limits,
) -> &'static str {
    let wire = DaemonWire::<FsmonRequest, FsmonResponse>::of_daemon();
    let config = Config { pending_response_buffer: MAX_IN_FLIGHT };
    let channel = BaseChannel::new(config, Framed::new(stream, wire)).max_concurrent_requests(MAX_IN_FLIGHT);
    let mut requests = pin!(channel.requests());
    // Dropping the set ends whatever is still being answered.
    let mut answering = JoinSet::new();
    let mut quiet = pin!(sleep_until(Instant::now() + limits.first_request));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = hung_up.cancelled() => return "the client hung up",
            next = requests.next() => match next {
                Some(Ok(request)) => drop(answering.spawn(request.execute(gate.clone()))),
                Some(Err(error)) => {
                    info!(target: "fsmond::rpc", error = %short(&error), "connection closed");
                    return "a message or a reply failed";
                }
                None => return "the client hung up",
            },
            Some(done) = answering.join_next() => {
                report(done);
                quiet.as_mut().reset(Instant::now() + limits.idle);
            }
            () = &mut quiet, if answering.is_empty() => return "nothing was asked for too long",
        }
    }
    let last = async {
        while !answering.is_empty() {
            tokio::select! {
                biased;
                Some(done) = answering.join_next() => report(done),
                // What is asked from now on is not answered: the client sees the end of the connection.
                asked = requests.next() => if !matches!(asked, Some(Ok(_))) { return },
            }
        }
        // The last reply is in the channel's queue: reading on is what writes it out.
        let writing = async { while let Some(Ok(_)) = requests.next().await {} };
        let _ = timeout(LAST_WRITES, writing).await;
    };
    let _ = timeout(limits.stopping, last).await;
    "the daemon stops"
}

/// A panic in one method ends that request alone, and is a bug.
fn report(done: Result<(), JoinError>) {
    if let Err(failed) = done
        && failed.is_panic()
    {
        error!(target: "fsmond::rpc", error = %failed, "a method panicked: this is a bug in fsmond");
    }
}

/// An error's text, safe and never long: what a stranger sends must not fill the log.
fn short(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    fsmon_protocol::path::escape(text.as_bytes()).chars().take(160).collect()
}
