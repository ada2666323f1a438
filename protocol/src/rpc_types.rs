//! What the service's methods ask and answer, beyond specs, records, runs and status.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::event::Record;
use crate::path::RawPath;
use crate::run::RunInfo;
use crate::units::{Span, Timestamp};

/// The longest that one request waits for news.
pub const LONGEST_WAIT: Duration = Duration::from_secs(25);

/// What every method answers.
pub type Reply<T> = Result<T, ApiError>;

/// What `remove` did to one watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// How many files were pending and are no more.
    pub dropped: u64,
    /// How many commands are still running; they finish, unless they were to be ended.
    pub running: u64,
}

/// How far a sweep is. A sweep is what `run-now`, `replay` and an occurrence start: a reconcile, then runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SweepStage {
    /// The tree is being compared with the ledger.
    Reconciling,
    /// What is pending is being given out.
    Running,
    /// All of it has succeeded, failed or vanished, or is not run for now, or not ready.
    Done,
}

/// A sweep over one or more watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepStatus {
    /// Its number, for asking again.
    pub id: u64,
    /// How far it is.
    pub stage: SweepStage,
    /// The watches it covers.
    pub watches: Vec<String>,
    /// Files looked at.
    pub looked: u64,
    /// Files that were pending when the reconcile was done (with all files: every matching one).
    pub pending: u64,
    /// Of these, processed.
    pub ok: u64,
    /// Of these, failed at their latest attempt.
    pub failed: u64,
    /// Of these, gone before their turn.
    pub vanished: u64,
    /// Failed files that were left alone: they run only by `retry`.
    pub set_aside: u64,
    /// Of those that were pending, not run: too many runs in a row failed, and they wait until one succeeds; or only counted.
    pub not_run: u64,
    /// Of those that were pending, not run, since their ready files are not there yet.
    pub not_ready: u64,
}

/// Which files a replay gives out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Again {
    /// Those that changed, or came under their name, since then.
    Since(Timestamp),
    /// All.
    All,
    /// Those that were set aside.
    Failed,
}

/// What `replay` asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRequest {
    /// Of which watch, by name or path.
    pub watch: String,
    /// Which files.
    pub again: Again,
    /// At least so far apart; 0: as fast as places get free.
    pub pause: Span,
    /// They are only counted.
    pub dry_run: bool,
}

/// From where on `tail` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cursor {
    /// Only what comes from now on.
    Now,
    /// The last so many that match.
    Last(u32),
    /// Everything after this number.
    After(u64),
    /// Everything since this time.
    Since(Timestamp),
}

/// What `tail` asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailRequest {
    /// From where on.
    pub cursor: Cursor,
    /// Only of these watches, by name or path; none named: all.
    pub watches: Vec<String>,
    /// Only of these kinds (`create`, `run`, …); none named: all.
    pub kinds: Vec<String>,
    /// At most so many records; the daemon caps it.
    pub max: u32,
    /// How long to wait for the first record, in milliseconds; 0 answers at once.
    pub wait_ms: u32,
}

/// What `tail` gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailReply {
    /// The records, in order.
    pub records: Vec<Record>,
    /// Ask next with [`Cursor::After`] this.
    pub next: u64,
    /// Records between the cursor and the first one here that retention has taken away.
    pub missed: u64,
    /// Whether there are more records now, so that asking again will not wait.
    pub more: bool,
}

/// What `runs` asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunsRequest {
    /// Only of this watch, by name or path.
    pub watch: Option<String>,
    /// Only those that failed.
    pub failed: bool,
    /// At most so many; the daemon caps it.
    pub max: u32,
}

/// What `gaps` asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapsRequest {
    /// Only of this watch, by name or path.
    pub watch: Option<String>,
    /// At most so many; the daemon caps it.
    pub max: u32,
}

/// A piece of a run's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogChunk {
    /// The run.
    pub info: RunInfo,
    /// Its output, stdout and stderr as they came, from the offset asked.
    pub bytes: Vec<u8>,
    /// Ask next from here.
    pub next: u64,
    /// Whether the run has ended and this is the rest of its output.
    pub finished: bool,
}

/// What `reload` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Watches that are new.
    pub added: Vec<String>,
    /// Watches whose options changed.
    pub changed: Vec<String>,
    /// Watches no longer in the file; their ledger is kept for 7 days.
    pub detached: Vec<String>,
    /// Settings that changed and take effect only at the next start.
    pub at_restart: Vec<String>,
    /// Watches that are in the file again, and go on from the ledger that was kept.
    pub attached: Vec<String>,
}

/// What `add --dry-run` and `set --dry-run` found: nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRun {
    /// The watch's name: the one it has or would get.
    pub name: String,
    /// Its path.
    pub path: String,
    /// How many files were looked at.
    pub looked: u64,
    /// How many folders were read.
    pub folders: u64,
    /// Whether the whole tree was seen; not so where it could not be read in time or in part.
    pub complete: bool,
    /// Files that would be watched.
    pub matches: Listed,
    /// Of these, the ones for which the command would run at once.
    pub runs: Listed,
    /// Files that are watched and would be no more (`set`).
    pub dropped: Listed,
    /// Files that are not watched and would be (`set`).
    pub gained: Listed,
}

/// How many there are, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// How many.
    pub count: u64,
    /// The first [`Listed::SHOWN`] of them, absolute, as they were found.
    pub first: Vec<RawPath>,
}

impl Listed {
    /// So many are named; the others are counted.
    pub const SHOWN: usize = 100;

    /// One more; its path is made only where it is named.
    pub fn add(&mut self, path: impl FnOnce() -> RawPath) {
        self.count += 1;
        if self.first.len() < Self::SHOWN {
            self.first.push(path());
        }
    }
}
