//! The engine: one task that owns the core, feeds it and carries out what it decides.
//!
//! It waits for whatever comes first (an answer of an edge, a command, hints, a deadline), gives it to the core, and
//! carries out the effects. It never waits on a send, never does I/O, never decides anything about a file, and never
//! drops anything: where there is too much outstanding work it leaves hints unread, so that the sources' readers wait.

mod effects;
mod handle;
mod load;
mod owner;
mod record_log;
mod ring;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use fsmon_core::io::Hint;
use fsmon_core::{Effect, Input, Machine, Now};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::edges::{HintRing, Inbox, Results, RunnerEdge, StoreEdge, WatchEdge};

pub use effects::NOBODY;
pub use handle::EngineHandle;
pub use record_log::kind_of;
pub use ring::{Ring, RingEntry, RingRead};

/// What the engine asks of the core, so that tests can put a scripted one in its place.
pub trait Core: Send + 'static {
    /// Takes one input and appends what is to be done.
    fn step(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>);
    /// When the core wants an [`Input::Tick`], in nanoseconds of [`Now::mono`].
    fn next_deadline(&self) -> Option<u64>;
    /// See [`Machine::results_may_gather`].
    fn results_may_gather(&self) -> bool;
}

impl Core for Machine {
    fn step(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        Self::step(self, now, input, effects);
    }

    fn next_deadline(&self) -> Option<u64> {
        Self::next_deadline(self)
    }

    fn results_may_gather(&self) -> bool {
        Self::results_may_gather(self)
    }
}

/// Both clocks. On Linux the first is `CLOCK_BOOTTIME`, since tokio's own timer stands still in suspend.
pub type Clock = Box<dyn Fn() -> Now + Send>;

/// What the engine needs of the process that it runs in.
pub struct Process {
    /// Both clocks.
    pub clock: Clock,
    /// Gives memory that is free back to the system. Called each time when much was stored: what a flood of events needed
    /// for moments lies scattered between what stays.
    pub give_back: fn(),
}

/// The three edges that carry out effects.
#[derive(Debug)]
pub struct Edges<W, S, R> {
    /// Seeing.
    pub watch: W,
    /// Remembering.
    pub store: S,
    /// Running.
    pub runner: R,
}

/// The engine's ends of the queues that edges fill.
#[derive(Debug)]
pub struct Intake {
    inbox: mpsc::Receiver<Input>,
    results: mpsc::Receiver<Input>,
    hints: mpsc::Receiver<Vec<Hint>>,
}

/// How many answers may wait for the engine. Full: the edge's worker waits.
const INBOX: usize = 16;
/// How many results of commands may wait for the engine. Full: the next command in its place waits.
const RESULTS: usize = 1024;
/// How many batches of hints may wait for the engine. Full: the source's reader waits.
const HINT_BATCHES: usize = 16;
/// How many commands may wait for the engine. Full: the caller waits.
const COMMANDS: usize = 256;

/// Makes the queues. The senders go to the edges, which are made before the engine.
pub fn queues() -> (Inbox, Results, HintRing, Intake) {
    let (to_inbox, inbox) = mpsc::channel(INBOX);
    let (to_results, results) = mpsc::channel(RESULTS);
    let (to_hints, hints) = mpsc::channel(HINT_BATCHES);
    (to_inbox, to_results, to_hints, Intake { inbox, results, hints })
}

/// Why the engine ended other than by being told.
#[derive(Debug, thiserror::Error)]
#[error("the engine failed: {0}; this is a bug in fsmond")]
pub struct EngineFailed(String);

/// The edges, and how the engine ended.
type Ended<W, S, R> = (Edges<W, S, R>, Result<(), EngineFailed>);

impl EngineFailed {
    /// It ended although nobody told it to.
    pub fn without_a_word() -> Self {
        Self("it ended without a word".into())
    }
}

/// The running engine, for whoever closes the daemon.
#[derive(Debug)]
pub struct EngineTask<W, S, R> {
    join: JoinHandle<Ended<W, S, R>>,
}

impl<W, S, R> EngineTask<W, S, R> {
    /// Waits until the engine has ended, after [`EngineHandle::end`] or by a bug. Safe to drop and to call again
    /// until it has answered once.
    ///
    /// The edges come back so that they can be closed in order: the runner, then the store. After a panic of the core
    /// they come back as well, with the error; they are lost only if the engine itself panicked.
    pub async fn ended(&mut self) -> (Option<Edges<W, S, R>>, Result<(), EngineFailed>) {
        match (&mut self.join).await {
            Ok((edges, result)) => (Some(edges), result),
            Err(error) => (None, Err(EngineFailed(error.to_string()))),
        }
    }
}

/// Starts the engine on the current tokio runtime. `last_seq` is the newest journal number that the store has; `first`
/// is what the core wants done before its first input.
pub fn start<C, W, S, R>(
    core: C,
    edges: Edges<W, S, R>,
    intake: Intake,
    process: Process,
    last_seq: u64,
    first: Vec<Effect>,
) -> (EngineHandle, EngineTask<W, S, R>)
where
    C: Core,
    W: WatchEdge + 'static,
    S: StoreEdge + 'static,
    R: RunnerEdge + 'static,
{
    let (to_commands, commands) = mpsc::channel(COMMANDS);
    let (ring_writer, ring) = ring::ring(last_seq);
    let (sweep_moved, sweeps) = watch::channel(0);
    let (store_state, store_error) = watch::channel(None);
    let end = CancellationToken::new();
    let handle = EngineHandle::new(to_commands, ring, sweeps, store_error, end.clone());
    let outbox = effects::Outbox::new(edges, ring_writer, sweep_moved);
    let owner = owner::Owner::new(core, outbox, owner::Doors { intake, commands, end, store_state }, process, first);
    (handle, EngineTask { join: tokio::spawn(owner.run()) })
}
