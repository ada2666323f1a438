//! What goes into the machine and what comes out: one closed enum each. To know everything that can wake the daemon
//! or that it can do, read this file.

use std::sync::Arc;

use fsmon_protocol::event::{EventKind, Record};
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::rpc_types::{Removed, SweepStatus};
use fsmon_protocol::run::{Outcome, RunStatus, Trigger};
use fsmon_protocol::spec::{Backend, Options, Rules, WatchSpec};
use fsmon_protocol::status::{Counters, DefinedBy, WatchStatus};
use fsmon_protocol::units::{SpanOrOff, Timestamp};
use fsmon_protocol::{ApiError, RawPath};

/// One name in a folder: bytes without `/` or NUL.
pub type Name = Box<[u8]>;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds of a clock that is never set and goes on in suspend (`CLOCK_BOOTTIME`).
    pub mono: u64,
    /// Wall clock. Only for records, schedules across boots, and how long ago a file was written.
    pub wall: Timestamp,
    /// The clock that file systems stamp with, which lags up to a tick behind: what is made from now on is not stamped
    /// earlier.
    pub stamp: Timestamp,
}

/// A watch, for as long as it exists. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub u32);

/// An entry of one watch's tree. `index` may be reused later with another `generation`, so that a late answer about
/// an entry that is gone is told apart from one about its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Place in the tree, also the key of its stored row.
    pub index: u32,
    /// Which of the entries that had this place.
    pub generation: u32,
}

impl NodeId {
    /// The root folder of every watch.
    pub const ROOT: Self = Self { index: 0, generation: 0 };
}

/// The number of one run. Never reused.
pub type RunId = u64;

/// Ties an answer to the command it answers; chosen by the engine.
pub type Token = u64;

// ---------------------------------------------------------------------------------------------------------- inputs

/// Everything that can wake the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The source says where to look.
    Hints(Vec<Hint>),
    /// The answer to [`Effect::Open`].
    Opened {
        /// The watch.
        watch: WatchId,
        /// What its root is, or why it cannot be watched.
        result: Result<RootFacts, RootProblem>,
    },
    /// Parts of answers to [`Effect::List`].
    Listed(Vec<Listing>),
    /// Answers to [`Effect::Look`].
    Looked(Vec<Looked>),
    /// These operations are durable.
    Stored(Vec<Ack>),
    /// The store cannot write (and why), or can again.
    StoreState(Option<String>),
    /// A command ended.
    RunEnded(RunEnded),
    /// Somebody wants something.
    Command(Token, Box<Command>),
    /// A deadline has come.
    Tick,
}

/// A hint: something may have happened there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The watch.
    pub watch: WatchId,
    /// Where and what.
    pub what: HintWhat,
}

/// Where to look, and what the source was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HintWhat {
    /// Something about one name in an armed folder, in the order the kernel told it.
    Name {
        /// The folder.
        folder: NodeId,
        /// The name in it.
        name: Name,
        /// What was told.
        how: NameHint,
        /// Whether the name is a folder's.
        dir: bool,
    },
    /// The folder's descriptor is gone: the folder was deleted or its file system unmounted. Its events have ended.
    Disarmed {
        /// The folder.
        folder: NodeId,
        /// Whether by an unmount.
        unmounted: bool,
    },
    /// The root itself was moved away: what comes now may be about another place.
    RootMoved,
    /// Events were lost: the queue was full.
    Overflow,
    /// Events may be lost: the source failed.
    SourceFailed(String),
    /// The queue was read empty just now: nothing that happened before this is still unread.
    ReadEmpty,
}

/// What the source was told about one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameHint {
    /// It was created.
    Created,
    /// It was written to.
    Modified,
    /// A descriptor that could write was closed.
    Closed,
    /// Its mode, owner, times or link count changed.
    Attrib,
    /// It was deleted.
    Deleted,
    /// It was renamed away; the cookie pairs it with the other side, where that is visible.
    MovedFrom(u32),
    /// It was renamed to here.
    MovedTo(u32),
    /// The source cannot tell what.
    Something,
}

/// What the root of a watch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootFacts {
    /// How changes are seen, as chosen for its mount.
    pub backend: Backend,
    /// Why that one, where it was not the first choice.
    pub backend_why: Option<String>,
    /// File system type, as the kernel names it (`ext4`, `tmpfs`, …).
    pub fs_type: String,
    /// Inode of the root folder.
    pub inode: u64,
    /// Whether it is a mount point.
    pub mount_point: bool,
}

/// Why a root cannot be watched now. It is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootProblem {
    /// It is not there.
    Missing,
    /// It is there and not a folder.
    NotAFolder,
    /// It cannot be read.
    NotPermitted,
    /// Something else.
    Other(String),
}

/// One part of the listing of one folder. Parts of one listing come in order, and after the arming that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The watch.
    pub watch: WatchId,
    /// The folder.
    pub folder: NodeId,
    /// As in the request.
    pub scan: u32,
    /// The part.
    pub part: ListPart,
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListPart {
    /// Some entries, each looked at while listing.
    Entries(Vec<(Name, Stat)>),
    /// That was all.
    Done {
        /// What became of the arming.
        armed: Armed,
        /// The folder's own inode.
        inode: u64,
    },
    /// The folder could not be listed.
    Failed(FolderProblem),
}

/// What became of arming a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Armed {
    /// Its events come from now on.
    Yes,
    /// It was not asked for (a polled watch).
    NotAsked,
    /// The system gives no more watches.
    NoMoreWatches,
    /// It failed: why.
    Failed(String),
}

/// Why a folder could not be listed or looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderProblem {
    /// It is not there, or no longer a folder, or not below the root without a symbolic link.
    Gone,
    /// It cannot be read.
    NotPermitted,
    /// A pseudo file system (proc, sysfs, …) is mounted there: never entered.
    PseudoFileSystem,
    /// Something else: why.
    Other(String),
}

/// The answer to a look at some names of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The watch.
    pub watch: WatchId,
    /// The folder.
    pub folder: NodeId,
    /// As in the request.
    pub tag: u32,
    /// What each name is, in the order asked; or why the folder could not be looked into.
    pub result: Result<Vec<(Name, Seen)>, FolderProblem>,
}

/// What a look at one name saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing of that name (ENOENT).
    Gone,
    /// This.
    Here(Stat),
    /// It could not be told: why.
    Unknown(String),
}

/// What `statx` tells about one name, without following symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its type.
    pub file_type: FileType,
    /// What a change of content changes.
    pub fingerprint: Fingerprint,
    /// Time of birth in nanoseconds since 1970; 0 where unknown.
    pub btime: i64,
    /// Whether it is one of fsmond's own files (state, log, socket): never watched.
    pub own: bool,
}

/// An operation of the store that somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ack {
    /// The start of this run is recorded: it may be started.
    RunStart(WatchId, RunId),
    /// The effects of this command are recorded: it may be answered.
    Command(Token),
    /// This checkpoint is stored.
    Checkpoint(WatchId),
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnded {
    /// Which.
    pub run: RunId,
    /// How.
    pub outcome: Outcome,
    /// After how long, in milliseconds.
    pub ms: u64,
    /// How many bytes of output are kept.
    pub output_bytes: u64,
    /// How many more were dropped.
    pub output_dropped: u64,
}

// -------------------------------------------------------------------------------------------------------- commands

/// What somebody wants of the machine: one variant per verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Add a watch. Paths are absolute and their existence was looked at before.
    Add {
        /// As it was asked for; a name may be missing (empty).
        spec: WatchSpec,
        /// By whom.
        defined_by: DefinedBy,
        /// Where PATH is one file: its name. The root is its folder.
        only: Option<Name>,
    },
    /// Remove watches by name or path: all or none.
    Remove {
        /// Which.
        watches: Vec<String>,
        /// Whether running commands are ended.
        kill: bool,
        /// Only a watch of this origin may be removed; the config reader removes those of the file.
        by: DefinedBy,
    },
    /// Tell about these watches (none named: all).
    Show(Vec<String>),
    /// Change options.
    Set {
        /// Which watch.
        watch: String,
        /// The options that are given.
        options: Options,
        /// By whom.
        by: DefinedBy,
    },
    /// Change the schedule.
    SetInterval(String, SpanOrOff),
    /// Stop runs.
    Pause(Vec<String>),
    /// Let runs go on.
    Resume(Vec<String>),
    /// Reconcile and run.
    RunNow {
        /// Which; none: all.
        watches: Vec<String>,
        /// Every matching file.
        all_files: bool,
    },
    /// How far is this sweep?
    Sweep(u64),
    /// Resolve watch names and paths to ids (none named: all); for `tail` and `runs`.
    Resolve(Vec<String>),
    /// New defaults and limits from the config.
    Settings(Settings),
    /// The counters.
    Counters,
    /// Record that the service started, stopped or reloaded.
    Service(fsmon_protocol::event::ServiceStatus),
    /// Start nothing more: the daemon stops. Answered when a last checkpoint of every watch is stored.
    Stop,
}

/// Settings of the machine as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Options that a watch takes where it gives none itself.
    pub defaults: Options,
    /// How many commands run at once over all watches; at least 1.
    pub max_runs: u32,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// One or more watches.
    Watches(Vec<WatchStatus>),
    /// What was removed.
    Removed(Vec<Removed>),
    /// A sweep.
    Sweep(SweepStatus),
    /// Ids and names.
    Resolved(Vec<(WatchId, Arc<str>)>),
    /// The counters, those that the machine knows.
    Counters(Counters),
    /// Done.
    Done,
}

// --------------------------------------------------------------------------------------------------------- effects

/// Everything the machine can do to the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look at the root and get ready to watch it. Answered by [`Input::Opened`].
    Open(OpenRequest),
    /// Let go of everything held for this watch: descriptors, queued listings and looks.
    Close(WatchId),
    /// Arm (where asked) and then list one folder. Answered by [`Input::Listed`], in parts.
    List(ListRequest),
    /// Look at names of one folder. Answered by [`Input::Looked`].
    Look(LookRequest),
    /// No more events of this folder are wanted. Not answered.
    Disarm(WatchId, NodeId),
    /// Store something. Operations are stored in order; where there is an ack, [`Input::Stored`] brings it back
    /// once the operation is durable.
    Store(StoreOp, Option<Ack>),
    /// Start a command. Answered by [`Input::RunEnded`].
    Spawn(Box<SpawnRequest>),
    /// End a running command: TERM, grace, KILL.
    EndRun(RunId),
    /// Answer a command.
    Answer(Token, Result<Answer, ApiError>),
    /// A sweep came further: whoever waits for it asks again.
    SweepMoved(u64),
    /// A line for the log that is no record, with its level.
    Log(LogLevel, String),
}

/// How serious a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Loss, or a human is needed.
    Error,
    /// Recovered or repaired by ourselves, nothing lost.
    Warn,
    /// Worth knowing.
    Info,
    /// For finding faults.
    Debug,
}

/// A root to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    /// The watch.
    pub watch: WatchId,
    /// Absolute path of the root folder.
    pub root: RawPath,
    /// Which backend is asked for.
    pub backend: Backend,
}

/// A folder to arm and list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRequest {
    /// The watch.
    pub watch: WatchId,
    /// The folder.
    pub folder: NodeId,
    /// Its path relative to the root, empty for the root.
    pub path: RawPath,
    /// Its inode, 0 where that is not known. If another folder is at its path, the answer is
    /// [`FolderProblem::Gone`]: the path is an old one.
    pub inode: u64,
    /// Whether to arm it first.
    pub arm: bool,
    /// Comes back in every part.
    pub scan: u32,
}

/// Names to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookRequest {
    /// The watch.
    pub watch: WatchId,
    /// The folder.
    pub folder: NodeId,
    /// Its path relative to the root, empty for the root.
    pub path: RawPath,
    /// Its inode, 0 where that is not known; as in [`ListRequest`].
    pub inode: u64,
    /// The names in it.
    pub names: Vec<Name>,
    /// Comes back in the answer.
    pub tag: u32,
}

/// A command to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpawnRequest {
    /// The run.
    pub run: RunId,
    /// The watch.
    pub watch: WatchId,
    /// The watch's name.
    pub watch_name: Arc<str>,
    /// Absolute path of the root.
    pub root: RawPath,
    /// Path of the file relative to the root.
    pub rel: RawPath,
    /// Absolute path before a rename.
    pub from: Option<RawPath>,
    /// What happened to the file.
    pub kind: EventKind,
    /// Why the run is made.
    pub trigger: Trigger,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The same for every attempt at the same version of the same file.
    pub event_id: String,
    /// Size of the file, where it is there.
    pub size: Option<u64>,
    /// Journal number of the run's start.
    pub seq: u64,
    /// When the run was decided.
    pub time: Timestamp,
    /// The watch's rules: command, environment, timeout, grace, stdin.
    pub rules: Arc<Rules>,
}

// ----------------------------------------------------------------------------------------------------------- store

/// Something to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOp {
    /// Append to the journal.
    Record(JournalRow),
    /// A run is about to start.
    RunStart(RunRow),
    /// A run ended.
    RunEnd(RunEndRow),
    /// Bring the ledger of one watch up to the journal number.
    Checkpoint(Checkpoint),
    /// A watch is new, or its row changed.
    Watch(WatchRow),
    /// A watch is no more: its row and its ledger go, its journal and runs stay until retention takes them.
    WatchRemoved(WatchId),
    /// The watches made at run time, all of them, for `watches.toml`.
    SaveWatches(Vec<WatchSpec>),
}

/// A record and what the ledger needs beside it to be rebuilt by replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// The watch, where the record belongs to one.
    pub watch: Option<WatchId>,
    /// The record.
    pub record: Record,
    /// What was seen then (events), or given to the command (runs).
    pub fingerprint: Option<Fingerprint>,
}

/// The start of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// The run.
    pub run: RunId,
    /// The watch.
    pub watch: WatchId,
    /// The watch's name.
    pub watch_name: Arc<str>,
    /// Absolute path of the file.
    pub path: Option<RawPath>,
    /// Why.
    pub trigger: Trigger,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When.
    pub started: Timestamp,
    /// The same for every attempt at the same version of the same file.
    pub event_id: String,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEndRow {
    /// The run.
    pub run: RunId,
    /// What came of it.
    pub status: RunStatus,
    /// How the command ended; none where it was never started or the daemon died.
    pub outcome: Option<Outcome>,
    /// After how long, in milliseconds.
    pub ms: Option<u64>,
    /// How many bytes of output are kept.
    pub output_bytes: u64,
    /// How many more were dropped.
    pub output_dropped: u64,
}

/// The rows of one watch's ledger that changed since its last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The watch's row as of now.
    pub watch: WatchRow,
    /// Rows to write, sorted by parent and name.
    pub rows: Vec<NodeRow>,
    /// Places whose entries are no more.
    pub freed: Vec<u32>,
}

/// A watch as it is stored, beside its spec in a TOML file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchRow {
    /// Its number.
    pub id: WatchId,
    /// Its name.
    pub name: Arc<str>,
    /// Absolute path as it was asked for.
    pub path: RawPath,
    /// Where it is defined.
    pub defined_by: DefinedBy,
    /// Where the path is one file: its name.
    pub only: Option<Name>,
    /// When it was added, or when its filters last grew.
    pub added: Timestamp,
    /// Whether its first scan is complete, so that what a later scan finds new is new.
    pub baseline_done: bool,
    /// Whether its runs are stopped by a person.
    pub paused: bool,
    /// The last occurrence of its schedule, or when its schedule began.
    pub last_due: Timestamp,
    /// The root as it was when last seen: file system type, inode, whether a mount point.
    pub root: Option<(String, u64, bool)>,
    /// The ledger holds everything up to this journal number.
    pub upto: u64,
}

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Its place in the tree; the root is 0.
    pub index: u32,
    /// The place of its folder.
    pub parent: u32,
    /// Its name.
    pub name: Name,
    /// Its type.
    pub file_type: FileType,
    /// Whether it is there, as far as the journal tells; not so for one whose delete is still to be processed.
    pub known: bool,
    /// What was last seen; none: what the stored row says stays.
    pub seen: Option<Fingerprint>,
    /// Where it stands.
    pub state: NodeState,
}

/// Where an entry stands with its processing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeState {
    /// What was last seen has been processed, or nothing needs to be.
    Clean,
    /// It has changed since it was last processed.
    Pending(PendingRow),
    /// It was set aside after its last attempt.
    Failed(PendingRow),
}

/// What is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRow {
    /// What happened to the file.
    pub kind: EventKind,
    /// Its absolute path before a rename.
    pub from: Option<RawPath>,
    /// Why a run is due.
    pub trigger: Trigger,
    /// How many attempts have been made.
    pub attempts: u32,
    /// The number of the sweep or manual request, 0 for changes: part of the event id.
    pub sweep: u64,
}
