//! What the machine has stored: the journal's rows, the ledger's, runs and watches.

use fsmon_protocol::RawPath;
use fsmon_protocol::event::EventKind;
use fsmon_protocol::event::GapReason;
use fsmon_protocol::event::Record;
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::run::Outcome;
use fsmon_protocol::run::RunStatus;
use fsmon_protocol::run::Trigger;
use fsmon_protocol::spec::{KeepRuns, WatchSpec};
use fsmon_protocol::status::DefinedBy;
use fsmon_protocol::units::Timestamp;
use std::sync::Arc;

use super::{Digest, Name, RunId, WatchId};
use crate::ignores::IgnoreFile;

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
    Checkpoint(Box<Checkpoint>),
    /// A watch is new, or its row changed.
    Watch(Box<WatchRow>),
    /// A watch is no more: its row and its ledger go, its journal and runs stay until retention takes them.
    WatchRemoved(WatchId),
    /// Nothing defines a watch any more: its row and its ledger are kept for a while, should it come back.
    Detached {
        /// The watch.
        watch: WatchId,
        /// Since when.
        since: Timestamp,
        /// The journal has records of it that its ledger does not hold, or will have.
        behind: bool,
    },
    /// The watches made at run time, all of them, for `watches.toml`.
    SaveWatches(Vec<WatchSpec>),
}

/// A record and what the ledger needs beside it to be rebuilt by replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// The watch, where the record belongs to one.
    pub watch: Option<WatchId>,
    /// The record: the newest are in the ring that `tail` reads, too.
    pub record: Arc<Record>,
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
    /// The same for every attempt at the same version of the same file, or at the same versions of the same files.
    pub event_id: String,
    /// How many files it is given, where it is not for one file alone.
    pub files: Option<u64>,
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
    /// What the ignore files say now of those folders, by place, where it is something else than before; none: nothing.
    pub ignores: Vec<(u32, Option<Arc<IgnoreFile>>)>,
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
    /// Why it does not act until a person decides, if so.
    pub held: Option<Held>,
    /// The last occurrence of its schedule, or when its schedule began.
    pub last_due: Timestamp,
    /// The occurrence that is not served yet, if one is not.
    pub owed: Option<Owed>,
    /// The root as it was when last seen: file system type, inode, whether a mount point.
    pub root: Option<(String, u64, bool)>,
    /// The ledger holds everything up to this journal number.
    pub upto: u64,
    /// A person said that what is there is right and done, and the reconcile that takes it so is not complete.
    pub accepting: bool,
    /// How much of the history of its runs is kept.
    pub keep_runs: Option<KeepRuns>,
}

/// What is kept of a watch that nothing defined for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its row.
    pub row: WatchRow,
    /// Since when nothing defined it.
    pub since: Timestamp,
    /// Its ledger.
    pub nodes: Vec<NodeRow>,
    /// What the ignore files said, by the place of their folders.
    pub ignores: Vec<(u32, Vec<u8>)>,
    /// The records of it that the ledger does not hold, in order.
    pub journal: Vec<JournalRow>,
}

/// A gap that no reconcile has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapRow {
    /// Number of the record that opened it.
    pub id: u64,
    /// The watch.
    pub watch: WatchId,
    /// What made it.
    pub reason: GapReason,
    /// The folder below which events may have been lost.
    pub scope: RawPath,
    /// From when on.
    pub since: Timestamp,
}

/// An occurrence of a schedule that is skipped and to be made up for, or under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// When it was due.
    pub due: Timestamp,
    /// How many attempts its run has made, where it has one.
    pub attempts: u32,
}

/// A watch sees and does not act until a person decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Why, and what a person can say.
    pub why: String,
    /// Whether it ends by itself when the root is again what it was.
    pub until_root: bool,
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
    /// Whether it is a folder at which something is mounted.
    pub mount_point: bool,
    /// The layer of mounts that it lies on, where that cannot be seen now.
    pub hidden: Option<u32>,
    /// What was last seen; none: what the stored row says stays.
    pub seen: Option<Fingerprint>,
    /// What its last run was given, if that has succeeded and is known; none: it is not.
    pub processed: Option<Digest>,
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
    /// It was processed, and is to be moved or deleted.
    Leaving(PendingRow),
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
    /// With how many others it may share a batch, where one that it was in has failed.
    pub share: Option<u32>,
}
