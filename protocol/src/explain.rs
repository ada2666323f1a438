//! What `explain` tells of one path: one [`Explained`] for each watch that covers it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::EventKind;
use crate::file::{FileInfo, FileState};
use crate::fingerprint::FileType;
use crate::path::RawPath;
use crate::run::RunInfo;
use crate::status::{DefinedBy, GapInfo, WatchState};
use crate::units::Timestamp;

/// The rule that lets a path in, or keeps it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Nothing keeps it out, and nothing is needed to let it in.
    All,
    /// A pattern of `include` matches it, or a folder above it.
    Include,
    /// It is named as a ready file, which `include` is not asked about.
    ReadyFile,
    /// No pattern of `include` matches it, or one with `!` takes it back.
    NotIncluded,
    /// A pattern of `exclude` matches it, or a folder above it.
    Exclude,
    /// Its name, or that of a folder above it, begins with a dot.
    Hidden,
    /// It is below a folder, and the watch is not recursive.
    NoRecursive,
    /// It is deeper than `max-depth`.
    MaxDepth,
    /// It belongs to fsmond itself.
    Own,
    /// It is on a pseudo file system (proc, sysfs, …), which is never entered.
    Pseudo,
    /// Something above it is no folder. What a symbolic link leads to is not below it.
    Through,
    /// An ignore file in the tree ignores it, or a folder above it; or it is git's own.
    Gitignore,
}

impl Rule {
    /// Whether it lets the path in.
    pub const fn lets_in(self) -> bool {
        matches!(self, Self::All | Self::Include | Self::ReadyFile)
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Include => "include",
            Self::ReadyFile => "ready_file",
            Self::NotIncluded => "not_included",
            Self::Exclude => "exclude",
            Self::Hidden => "hidden",
            Self::NoRecursive => "no_recursive",
            Self::MaxDepth => "max_depth",
            Self::Own => "own",
            Self::Pseudo => "pseudo",
            Self::Through => "through",
            Self::Gitignore => "gitignore",
        }
    }
}

/// Which rule decided, and about what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// The rule.
    pub rule: Rule,
    /// The pattern that matched, as it was given.
    pub pattern: Option<String>,
    /// Where it was decided: the path itself, or a folder above it.
    pub at: RawPath,
    /// The ignore file that the pattern is from, and its line there.
    pub line: Option<(RawPath, u32)>,
}

/// What is at the path now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDisk {
    /// Nothing.
    Missing,
    /// Something.
    Here {
        /// What it is.
        file_type: FileType,
        /// Its size in bytes; of what is kept out it is not told.
        size: Option<u64>,
        /// When it was last modified; of what is kept out it is not told.
        mtime: Option<Timestamp>,
        /// Whether it is as the watch knows it; none where it knows nothing of it.
        as_known: Option<bool>,
    },
    /// This, which is no folder, is on the way there.
    Through(FileType, RawPath),
    /// It could not be told: why.
    Unknown(String),
}

/// What is waited for before a file's next run, or before it is known what is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waits {
    /// A person stopped the watch's runs.
    Resume,
    /// The watch is held: why.
    Decision(String),
    /// The root is not there, or is not open yet.
    Root,
    /// The store cannot write: why.
    Store(String),
    /// The daemon stops.
    Stop,
    /// It is hidden by a mount, or by one that is missing.
    Mount,
    /// It has to be quiet.
    Quiet,
    /// It was written to and not closed since: until that, or until it is quiet for long enough.
    Close,
    /// Somebody has it open for writing.
    Writer,
    /// Nobody tells whether it is being written: it has to look the same for a while.
    Same,
    /// It has to be older.
    Age,
    /// Its ready file, of this path, is not there.
    ReadyFile(RawPath),
    /// It is looked at once more.
    Look,
    /// It failed: the pause before the next attempt.
    Backoff,
    /// As many commands of its watch run as may at once: so many.
    Place(u32),
    /// As many commands run over all watches as may at once: so many.
    PlaceInAll(u32),
    /// What was ready before it.
    Turn,
    /// Others for its batch, of at most so many files.
    Others(u32),
    /// The run for the whole watch, at the next occurrence of its schedule.
    Occurrence,
    /// A person, by `retry`, or its next change.
    Retry,
    /// A worker: none of so many is up.
    Workers(u32),
    /// The file of this path, which has the same key.
    Lane(RawPath),
    /// A run of its watch that succeeds, since so many in a row have failed; one file is tried then.
    Breaker(u32, Option<Timestamp>),
    /// Its turn in a replay.
    Pace,
}

impl Waits {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Decision(_) => "decision",
            Self::Root => "root",
            Self::Store(_) => "store",
            Self::Stop => "stop",
            Self::Mount => "mount",
            Self::Quiet => "quiet",
            Self::Close => "close",
            Self::Writer => "writer",
            Self::Same => "same",
            Self::Age => "age",
            Self::ReadyFile(_) => "ready_file",
            Self::Look => "look",
            Self::Backoff => "backoff",
            Self::Place(_) => "place",
            Self::PlaceInAll(_) => "place_in_all",
            Self::Turn => "turn",
            Self::Others(_) => "others",
            Self::Workers(_) => "workers",
            Self::Occurrence => "occurrence",
            Self::Retry => "retry",
            Self::Lane(_) => "lane",
            Self::Breaker(..) => "breaker",
            Self::Pace => "pace",
        }
    }
}

/// Why a change of what is watched runs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunsNot {
    /// The watch has no command.
    NoCommand,
    /// It is a folder, a symbolic link or something else that is no regular file.
    NotAFile,
    /// It is a ready file itself.
    ReadyFile,
    /// It is smaller than `min-size` or larger than `max-size`.
    Size,
    /// Its last change left it as it had been processed, by `dedupe`.
    Unchanged,
}

impl RunsNot {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCommand => "no_command",
            Self::NotAFile => "not_a_file",
            Self::ReadyFile => "ready_file",
            Self::Size => "size",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Where a path stands with a watch, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A rule keeps it out.
    KeptOut,
    /// It was renamed away a moment ago, and where to is not yet known.
    Moving,
    /// Something is mounted over it, or its own mount is gone.
    Hidden,
    /// The watch knows nothing of it.
    Unknown,
    /// It is known and is no file that could run: a folder, a link, something else.
    NotAFile,
    /// It is a known file.
    File(FileState),
}

impl Standing {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeptOut => "kept_out",
            Self::Moving => "moving",
            Self::Hidden => "hidden",
            Self::Unknown => "unknown",
            Self::NotAFile => "not_a_file",
            Self::File(state) => state.as_str(),
        }
    }
}

/// What one watch that covers a path has to say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent facts; each is explained where it stands")]
pub struct Explained {
    /// The watch's name.
    pub watch: Arc<str>,
    /// The watch's path.
    pub root: RawPath,
    /// The path, below that.
    pub path: RawPath,
    /// What lets it in or keeps it out.
    pub ruling: Ruling,
    /// What is there now.
    pub disk: OnDisk,
    /// What the watch knows that it is; none: it knows nothing of it.
    pub known: Option<FileType>,
    /// It is known, and hidden by a mount or by one that is missing.
    pub hidden: bool,
    /// It was renamed away, and where to is not yet known.
    pub moving: bool,
    /// Something is under way that will tell what it is: a look, a listing, a scan.
    pub unsettled: bool,
    /// The row of a known file; its runs are beside it.
    pub file: Option<FileInfo>,
    /// What is waited for, in the order in which it would have to come.
    pub waits: Vec<Waits>,
    /// The run that is under way.
    pub run: Option<u64>,
    /// It changed since that began, so that one more run follows.
    pub again: bool,
    /// Why it would run nothing.
    pub runs_not: Option<RunsNot>,
    /// Which events run the command.
    pub kinds: Vec<EventKind>,
    /// How often a failed run is tried again.
    pub retries: u32,
    /// Its runs are for many files at once, so that none is kept under its path.
    pub by_many: bool,
    /// Where the watch is defined.
    pub defined_by: DefinedBy,
    /// When the watch was added, or when its filters last grew.
    pub added: Timestamp,
    /// Its latest run under this path, where that is kept. Its path is left out.
    pub last: Option<RunInfo>,
    /// Its latest run under this path that succeeded, where that is kept. Its path is left out.
    pub processed: Option<RunInfo>,
    /// The state of the watch.
    pub state: WatchState,
    /// Why it is in that state and what would cure it.
    pub details: Vec<String>,
    /// Gaps that are open where the path is.
    pub gaps: Vec<GapInfo>,
    /// The next occurrence of its schedule.
    pub next_due: Option<Timestamp>,
}

impl Explained {
    /// Where the path stands, in one word.
    pub fn standing(&self) -> Standing {
        match (&self.file, self.known) {
            _ if !self.ruling.rule.lets_in() => Standing::KeptOut,
            _ if self.moving => Standing::Moving,
            _ if self.hidden => Standing::Hidden,
            (Some(file), _) => Standing::File(file.state),
            (None, Some(_)) => Standing::NotAFile,
            (None, None) => Standing::Unknown,
        }
    }
}
