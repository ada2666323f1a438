//! The way in to the engine for everybody else: commands, the ring, and news.
//!
//! Nothing here touches the core. Dropping any of these futures is harmless: a command that was sent is carried out,
//! and nobody waits for its answer.

use fsmon_core::io::{Answer, Command};
use fsmon_protocol::{ApiError, ErrorKind};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::ring::Ring;

/// A command and where its answer goes.
pub(super) struct Request {
    pub command: Box<Command>,
    pub reply: oneshot::Sender<Result<Answer, ApiError>>,
}

/// Asks the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    commands: mpsc::Sender<Request>,
    ring: Ring,
    sweeps: watch::Receiver<u64>,
    store_error: watch::Receiver<Option<String>>,
    end: CancellationToken,
}

impl EngineHandle {
    pub(super) fn new(
        commands: mpsc::Sender<Request>,
        ring: Ring,
        sweeps: watch::Receiver<u64>,
        store_error: watch::Receiver<Option<String>>,
        end: CancellationToken,
    ) -> Self {
        Self { commands, ring, sweeps, store_error, end }
    }

    /// Has a command carried out; the answer comes after its effect.
    ///
    /// There is no time limit here: the caller sets one. Where the queue of commands is full it waits for its turn.
    ///
    /// # Errors
    /// What the core refuses, and [`ErrorKind::NoDaemon`] once the engine has ended.
    pub async fn command(&self, command: Command) -> Result<Answer, ApiError> {
        let (reply, answer) = oneshot::channel();
        let request = Request { command: Box::new(command), reply };
        self.commands.send(request).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// The newest records, also those that are not committed yet.
    pub fn ring(&self) -> Ring {
        self.ring.clone()
    }

    /// Changes whenever any sweep came further. Take it before asking how far a sweep is, so that no news is missed.
    pub fn sweep_changed(&self) -> watch::Receiver<u64> {
        let mut news = self.sweeps.clone();
        news.mark_unchanged();
        news
    }

    /// Why the store cannot write right now, if so.
    pub fn store_error(&self) -> Option<String> {
        self.store_error.borrow().clone()
    }

    /// Starts nothing more, has the last checkpoints stored, and then ends the engine. A caller who does not wait for
    /// that to be over, since a limit has passed, calls [`EngineHandle::end`].
    pub async fn stop(&self) -> Result<(), ApiError> {
        let answer = self.command(Command::Stop).await;
        self.end();
        answer.map(|_| ())
    }

    /// Ends the engine after one more turn, without a last checkpoint. What is not in a checkpoint is
    /// replayed from the journal at the next start.
    pub fn end(&self) {
        self.end.cancel();
    }
}

/// What callers are told once the engine has ended.
fn stopping() -> ApiError {
    ApiError::new(ErrorKind::NoDaemon, "fsmond is stopping").hint("start it again, then repeat the command")
}
