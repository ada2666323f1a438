//! What `status`, `list` and `show` tell.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::GapReason;
use crate::path::RawPath;
use crate::spec::{Backend, Rules};
use crate::units::{Span, Timestamp};

/// The state of a watch. Where several hold, the first of `Paused`, `Held`, `Stuck`, `Waiting`, `Degraded`,
/// `Scanning`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchState {
    /// The tree is armed and compared with the ledger.
    Watching,
    /// A scan is under way; events are seen meanwhile where folders are armed already.
    Scanning,
    /// Part of it cannot be seen live; the details say why and what would cure it.
    Degraded,
    /// The root is not there.
    Waiting,
    /// It sees but does not act until a person decides.
    Held,
    /// Its runs are stopped by a person.
    Paused,
    /// Its file system does not answer.
    Stuck,
}

impl WatchState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Watching => "watching",
            Self::Scanning => "scanning",
            Self::Degraded => "degraded",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Paused => "paused",
            Self::Stuck => "stuck",
        }
    }
}

/// Where a watch is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefinedBy {
    /// By `fsmonctl add`, kept in `watches.toml`.
    Runtime,
    /// By the config file; `set` and `remove` refuse it.
    Config,
}

impl DefinedBy {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Config => "config",
        }
    }
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Entries looked at.
    pub looked: u64,
    /// Folders read.
    pub folders: u64,
    /// Folders known and not yet read.
    pub folders_left: u64,
}

/// A span of time in which events of a watch may have been lost, as `gaps` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapInfo {
    /// Number of the record that opened it.
    pub id: u64,
    /// The watch's name.
    pub watch: Arc<str>,
    /// What made it.
    pub reason: GapReason,
    /// The folder below which events may have been lost.
    pub scope: RawPath,
    /// From when on.
    pub since: Timestamp,
    /// When a reconcile closed it; none: it is open.
    pub closed: Option<Timestamp>,
    /// How many events that reconcile found.
    pub found: Option<u64>,
}

/// One watch, as `list` and `show` tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchStatus {
    /// Short name.
    pub name: String,
    /// Absolute path.
    pub path: String,
    /// Its state.
    pub state: WatchState,
    /// Why it is in that state and what would cure it; each a sentence.
    pub details: Vec<String>,
    /// Where it is defined.
    pub defined_by: DefinedBy,
    /// How changes are seen, as chosen for its mount.
    pub backend: Backend,
    /// Files in the index.
    pub files: u64,
    /// Folders in the index, the root included.
    pub folders: u64,
    /// Folders armed in the source.
    pub armed: u64,
    /// Files changed and not yet processed, those in back-off included, failed ones not.
    pub pending: u64,
    /// Files whose command is running.
    pub running: u64,
    /// Files set aside after their last attempt.
    pub failed: u64,
    /// Files created and gone before they were due.
    pub transient: u64,
    /// Gaps that no reconcile has closed yet.
    pub open_gaps: u64,
    /// How far the scan under way is.
    pub scan: Option<Progress>,
    /// When it was last compared with the tree.
    pub last_reconcile: Option<Timestamp>,
    /// The last occurrence of its schedule.
    pub last_due: Option<Timestamp>,
    /// The next occurrence of its schedule.
    pub next_due: Option<Timestamp>,
    /// When it was added.
    pub added: Timestamp,
    /// Its rules with every default; environment values are left out.
    pub rules: Rules,
    /// Gaps that no reconcile has closed yet.
    pub gaps: Vec<GapInfo>,
    /// The next five occurrences, as RFC 3339 in the zone of the schedule.
    pub next_dates: Vec<String>,
    /// What somebody who adds or changes it should know although it was done; each a sentence.
    pub warnings: Vec<String>,
    /// How its workers are, where it has some.
    pub workers: Option<Workers>,
    /// What its commands need seems to be broken, so that one file at a time is tried.
    pub broken: Option<Broken>,
    /// Changes since the daemon started that ran nothing, since the file was as it had been processed (`dedupe`).
    pub unchanged: u64,
}

/// A watch of which so many runs in a row have failed that only one file at a time is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// How many runs in a row had failed.
    pub failed: u32,
    /// Since when only one file at a time is tried.
    pub since: Timestamp,
    /// When the next one is; none: it runs, or the next file that is ready is tried at once.
    pub next: Option<Timestamp>,
}

/// The workers of a watch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workers {
    /// How many there should be.
    pub wanted: u32,
    /// How many are there.
    pub up: u32,
    /// How often one was started again.
    pub restarts: u64,
    /// What went wrong last, as long as one is missing.
    pub trouble: Option<String>,
}

/// The daemon at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Version of fsmond.
    pub version: String,
    /// Process number.
    pub pid: u32,
    /// User number it runs as.
    pub uid: u32,
    /// When it started.
    pub started: Timestamp,
    /// For how long it is up, by a clock that is never set.
    pub uptime: Span,
    /// Its socket.
    pub socket: String,
    /// Its state folder.
    pub state_dir: String,
    /// Its config file, if it read one.
    pub config: Option<String>,
    /// Its log file.
    pub log_file: Option<String>,
    /// Its log level.
    pub log_level: String,
    /// Its watches.
    pub watches: Vec<WatchStatus>,
    /// The number of the newest journal record.
    pub last_seq: u64,
    /// Why nothing can be stored right now, if so: no run is started until it can.
    pub store_error: Option<String>,
    /// Counters since start.
    pub counters: Counters,
}

/// Counters since start. They only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Kernel events read.
    pub hints: u64,
    /// Journal records written.
    pub records: u64,
    /// Files looked at.
    pub looks: u64,
    /// Times the kernel's queue was full.
    pub overflows: u64,
    /// Runs started.
    pub runs: u64,
    /// Runs that failed.
    pub runs_failed: u64,
    /// Log lines counted instead of written.
    pub log_lines_dropped: u64,
}
