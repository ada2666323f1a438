//! What the engine and the server ask of each edge, as traits: they know these, never an edge itself.
//!
//! Requests never block and never fail: what goes wrong comes back as an [`Input`] through the inbox. Worker threads
//! of edges send their answers with `blocking_send` on the bounded inbox, which the engine always drains; so an edge
//! that is faster than the engine waits, and nothing is dropped.

use fsmon_core::Input;
use fsmon_core::io::{
    Ack, DigestRequest, FolderProblem, Hint, Kept, ListRequest, LookRequest, Name, NodeId, OpenRequest, PutAwayRequest,
    RunId, Sighting, SpawnRequest, Stat, StoreOp, WatchId, WorkersRequest,
};
use fsmon_core::preview::Trial;
use fsmon_protocol::event::Record;
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::rpc_types::DryRun;
use fsmon_protocol::run::RunInfo;
use fsmon_protocol::status::GapInfo;
use fsmon_protocol::units::Timestamp;
use fsmon_protocol::{ApiError, RawPath};
use futures::future::BoxFuture;
use tokio::sync::mpsc;

/// Where answers of all edges go: always taken, before any hints.
pub type Inbox = mpsc::Sender<Input>;

/// Where the results of commands go that run one after another: in a queue of their own, since they may gather there for
/// some milliseconds, and nothing else is to wait with them.
pub type Results = mpsc::Sender<Input>;

/// Where sources send hints, a bounded number of batches: when it is full the source's reader waits, and the kernel's
/// own queue is the only thing that can overflow.
pub type HintRing = mpsc::Sender<Vec<Hint>>;

/// Seeing: roots, arming, listing, looking.
pub trait WatchEdge: Send {
    /// See [`fsmon_core::Effect::Open`].
    fn open(&mut self, request: OpenRequest);
    /// See [`fsmon_core::Effect::Close`].
    fn close(&mut self, watch: WatchId);
    /// See [`fsmon_core::Effect::List`].
    fn list(&mut self, request: ListRequest);
    /// See [`fsmon_core::Effect::Look`].
    fn look(&mut self, request: LookRequest);
    /// See [`fsmon_core::Effect::Digest`].
    fn digest(&mut self, request: DigestRequest);
    /// See [`fsmon_core::Effect::Disarm`].
    fn disarm(&mut self, watch: WatchId, folder: NodeId);
    /// Everything asked since the last flush may be handed to the workers now, in batches.
    fn flush(&mut self);
}

/// Remembering.
pub trait StoreEdge: Send {
    /// Stores these in order; acks come back as [`Input::Stored`] once durable. Operations of one call are committed
    /// together. The queue is bounded by the engine, which counts what is outstanding: see [`StoreEdge::backlog`].
    fn submit(&mut self, operations: Vec<(StoreOp, Option<Ack>)>);
    /// How many operations were submitted and are not yet durable.
    fn backlog(&self) -> usize;
}

/// Running commands.
pub trait RunnerEdge: Send {
    /// Starts a command; [`Input::RunEnded`] comes exactly once, also if it could not be started, or in its place
    /// [`Input::RunVanished`] or [`Input::RunPutOff`].
    fn spawn(&mut self, request: Box<SpawnRequest>);
    /// See [`fsmon_core::Effect::TakeBack`].
    fn take_back(&mut self, watch: WatchId, only: Option<RunId>);
    /// Ends a run: TERM to its whole group, grace, KILL. No effect on one that has ended.
    fn end(&mut self, run: RunId);
    /// Moves or deletes a file whose run is over; [`Input::PutAway`] comes exactly once.
    fn put_away(&mut self, request: PutAwayRequest);
    /// See [`fsmon_core::Effect::Workers`].
    fn workers(&mut self, watch: WatchId, wanted: Option<Box<WorkersRequest>>);
}

/// What the server asks of the store.
pub trait History: Send + Sync {
    /// Records that match, in order.
    fn journal(&self, query: JournalQuery) -> BoxFuture<'_, Result<JournalPage, ApiError>>;
    /// Runs that match, newest first.
    fn runs(&self, query: RunsQuery) -> BoxFuture<'_, Result<Vec<RunInfo>, ApiError>>;
    /// Output of one run: its row, and the bytes from `offset` on, at most `max` of them.
    fn output(&self, run: RunId, offset: u64, max: usize) -> BoxFuture<'_, Result<RunOutput, ApiError>>;
    /// Gaps that match: the open ones first, then the newest.
    fn gaps(&self, query: GapsQuery) -> BoxFuture<'_, Result<Vec<GapInfo>, ApiError>>;
    /// Facts about files, each by its watch, its place in the ledger and its path; in the order asked, so many at once
    /// as are in one reply.
    fn files(&self, files: Vec<(WatchId, u32, RawPath)>) -> BoxFuture<'_, Result<Vec<FileFacts>, ApiError>>;
    /// What is kept of the watch of this name and path, where nothing defines it.
    fn kept(&self, name: String, path: RawPath) -> BoxFuture<'_, Result<Option<Box<Kept>>, ApiError>>;
}

/// Reading folders beside the watches, as they read them: nothing is armed, nothing is kept.
pub trait Folders: Send + Sync {
    /// All entries of the folder at this path below this root. One at a time, and given up after a while.
    fn read(&self, root: RawPath, folder: RawPath) -> BoxFuture<'_, Result<Vec<(Name, Stat)>, FolderProblem>>;
    /// What is at this path below this root, and at each folder on the way; `check`: also whether somebody has it open
    /// for writing. Given up after a while.
    fn trace(&self, root: RawPath, path: RawPath, check: bool) -> BoxFuture<'_, Sighting>;
}

/// Looking at a tree once, for a dry run.
pub trait Survey: Send + Sync {
    /// What the trial's rules would match and run there.
    fn survey(&self, trial: Trial) -> BoxFuture<'_, Result<DryRun, ApiError>>;
}

/// Which records.
#[derive(Debug, Clone, Default)]
pub struct JournalQuery {
    /// Only numbers above this.
    pub after: u64,
    /// Only from this time on.
    pub since: Option<Timestamp>,
    /// Only the last so many that match (they still come in order).
    pub last: Option<u32>,
    /// Only of these watches; empty: all.
    pub watches: Vec<WatchId>,
    /// Only of these kinds (`create`, `run`, …); empty: all.
    pub kinds: Vec<String>,
    /// At most so many.
    pub max: u32,
}

/// Some records.
#[derive(Debug, Clone, Default)]
pub struct JournalPage {
    /// In order.
    pub records: Vec<Record>,
    /// Everything up to this number has been looked at: ask next after it.
    pub next: u64,
    /// The oldest number that retention has left, 0 for an empty journal.
    pub oldest: u64,
}

/// Which runs.
#[derive(Debug, Clone, Default)]
pub struct RunsQuery {
    /// Only of this watch.
    pub watch: Option<WatchId>,
    /// Only those whose status is failed, retry, lost or interrupted.
    pub failed: bool,
    /// At most so many.
    pub max: u32,
}

/// Which gaps.
#[derive(Debug, Clone, Default)]
pub struct GapsQuery {
    /// Only of this watch.
    pub watch: Option<WatchId>,
    /// At most so many.
    pub max: u32,
}

/// What is stored of a file.
#[derive(Debug, Clone, Default)]
pub struct FileFacts {
    /// What was last seen of it, as its row has it.
    pub seen: Option<Fingerprint>,
    /// Its latest run.
    pub last: Option<RunInfo>,
    /// Its latest run that succeeded.
    pub processed: Option<RunInfo>,
}

/// Output of a run.
#[derive(Debug, Clone)]
pub struct RunOutput {
    /// Its row.
    pub info: RunInfo,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the run has ended, so that no more comes after what is stored.
    pub ended: bool,
}
