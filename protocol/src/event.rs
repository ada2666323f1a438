//! The journal's records: the stored, numbered sequence of what happened, which `tail` reads.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fingerprint::FileType;
use crate::path::RawPath;
use crate::run::{Outcome, RunStatus, Trigger};
use crate::units::Timestamp;

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Journal number: rises by at least one, never reused.
    pub seq: u64,
    /// When the daemon learnt of it.
    pub time: Timestamp,
    /// The watch it belongs to, by name; none for the service itself.
    pub watch: Option<Arc<str>>,
    /// What happened.
    pub what: What,
}

/// What a record tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// One thing that happened to one path.
    Event(Event),
    /// A span of time in which events may have been lost, opened or closed.
    Gap(Gap),
    /// A run started or ended.
    Run(RunRecord),
    /// An occurrence of a schedule.
    Schedule(Occurrence),
    /// The daemon itself.
    Service(ServiceStatus),
    /// A watch changed its state.
    Watch(WatchChange),
}

/// One thing that happened to one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Absolute path.
    pub path: RawPath,
    /// Absolute path before a rename.
    pub from: Option<RawPath>,
    /// What the path names, or named.
    pub file_type: FileType,
    /// Size in bytes, where known.
    pub size: Option<u64>,
    /// How the daemon learnt of it.
    pub origin: Origin,
    /// Why, where a scan has a reason to add.
    pub why: Option<Why>,
}

/// The kinds of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Something new is there.
    Create,
    /// Its content changed, or something else took its name.
    Modify,
    /// It is there under another name.
    Rename,
    /// It is gone.
    Delete,
    /// Only mode or owner changed; recorded where the watch asks for it.
    Attrib,
}

impl EventKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Modify => "modify",
            Self::Rename => "rename",
            Self::Delete => "delete",
            Self::Attrib => "attrib",
        }
    }
}

/// How the daemon learnt of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A kernel event told.
    Live,
    /// A look at the tree found it.
    Scan,
}

impl Origin {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Scan => "scan",
        }
    }
}

/// The reason a scan adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Only the change time differs: content or mode or owner, it cannot be told which.
    Ctime,
}

impl Why {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ctime => "ctime",
        }
    }
}

/// A span of time in which events of a watch may have been lost. A reconcile closes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What made it.
    pub reason: GapReason,
    /// The folder below which events may have been lost.
    pub scope: RawPath,
    /// Whether a reconcile has closed it.
    pub closed: bool,
    /// What that reconcile found: how many events.
    pub found: Option<u64>,
    /// Number of the record that opened it: the same in the one that closes it.
    pub id: u64,
    /// From when on events may have been lost.
    pub since: Timestamp,
}

/// What opened a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The kernel's queue was full.
    Overflow,
    /// The source failed.
    SourceError,
    /// No more watches could be had.
    Limit,
    /// The root was not there.
    RootGone,
    /// Something was mounted or unmounted.
    Mount,
    /// The daemon was not running.
    Down,
    /// A folder could not be read.
    Unreadable,
}

impl GapReason {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::SourceError => "source_error",
            Self::Limit => "limit",
            Self::RootGone => "root_gone",
            Self::Mount => "mount",
            Self::Down => "down",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A run as the journal tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run's number.
    pub run: u64,
    /// Why it was made.
    pub trigger: Trigger,
    /// Where it stands.
    pub status: RunStatus,
    /// Which attempt at this version of the file, from 1.
    pub attempt: u32,
    /// Exit status, where the command ended by itself.
    pub exit: Option<i32>,
    /// How long it took, in milliseconds, once ended.
    pub ms: Option<u64>,
    /// The file it ran for.
    pub path: Option<RawPath>,
    /// How the command ended, once it has.
    pub outcome: Option<Outcome>,
    /// How many files it was given, where it is not for one file alone.
    pub files: Option<u64>,
}

/// One due time of a schedule, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// When it was due.
    pub due: Timestamp,
    /// How many files its reconcile looked at.
    pub looked: u64,
    /// How many files were pending then.
    pub pending: u64,
    /// What came of it.
    pub status: OccurrenceStatus,
}

/// What came of an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OccurrenceStatus {
    /// It reconciled, and what was pending then has been given out.
    Done,
    /// The one before it was not finished.
    SkippedBusy,
    /// The watch was paused.
    SkippedPaused,
    /// The watch's root was not there, or the watch was held.
    SkippedUnable,
    /// Its time went by while the daemon did not run or the machine slept, and missed ones are not made up for.
    SkippedMissed,
}

impl OccurrenceStatus {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::SkippedBusy => "skipped_busy",
            Self::SkippedPaused => "skipped_paused",
            Self::SkippedUnable => "skipped_unable",
            Self::SkippedMissed => "skipped_missed",
        }
    }
}

/// What the daemon did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceStatus {
    /// It started.
    Started,
    /// It stopped cleanly.
    Stopped,
    /// It read its config again.
    Reloaded,
}

impl ServiceStatus {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Reloaded => "reloaded",
        }
    }
}

/// A change of a watch's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchChange {
    /// What it is now.
    pub status: WatchChangeStatus,
    /// More about it, for people.
    pub detail: Option<String>,
}

/// What a watch became.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchChangeStatus {
    /// It was added.
    Added,
    /// It was removed.
    Removed,
    /// Its options were changed.
    Changed,
    /// Its root is not there.
    Waiting,
    /// It sees but does not act until a person decides.
    Held,
    /// Part of it cannot be seen live.
    Degraded,
    /// It is whole again.
    Recovered,
    /// Its runs are stopped by a person.
    Paused,
    /// Its runs go on.
    Resumed,
    /// Its first scan is complete.
    Ready,
    /// Failed files of it are pending again: somebody said `retry`.
    Retried,
    /// Pending or failed files of it are taken as done as they are: somebody said `drop`.
    Dropped,
    /// It was held, and what is there is taken as right and done: somebody said `accept`.
    Accepted,
    /// Nothing defines it any more: it ended, and its ledger is kept for a while.
    Detached,
    /// It is defined again, and goes on from the ledger that was kept.
    Attached,
}

impl WatchChangeStatus {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Degraded => "degraded",
            Self::Recovered => "recovered",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Ready => "ready",
            Self::Retried => "retried",
            Self::Dropped => "dropped",
            Self::Accepted => "accepted",
            Self::Detached => "detached",
            Self::Attached => "attached",
        }
    }
}
