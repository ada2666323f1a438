//! What somebody may want of the machine, and what is answered.

use fsmon_protocol::RawPath;
use fsmon_protocol::explain::Explained;
use fsmon_protocol::file::{FileInfo, FileState};
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::rpc_types::Removed;
use fsmon_protocol::rpc_types::ReplayRequest;
use fsmon_protocol::rpc_types::SweepStatus;
use fsmon_protocol::spec::Options;
use fsmon_protocol::spec::WatchSpec;
use fsmon_protocol::status::Counters;
use fsmon_protocol::status::DefinedBy;
use fsmon_protocol::status::WatchStatus;
use fsmon_protocol::units::SpanOrOff;
use fsmon_protocol::verify::DifferenceKind;
use std::sync::Arc;

use super::{FolderProblem, Kept, Name, NodeId, Stat, WatchId};
use crate::preview::Trial;

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
    /// A watch of the config is not in it any more: it ends, and its ledger is kept.
    Detach(String),
    /// A watch whose ledger was kept is in the config again: it goes on from there.
    Attach {
        /// As it is defined now.
        spec: WatchSpec,
        /// Where PATH is one file: its name.
        only: Option<Name>,
        /// What was kept.
        kept: Box<Kept>,
    },
    /// Tell about these watches (none named: all).
    Show(Vec<String>),
    /// Change options.
    Set {
        /// Which watch.
        watch: String,
        /// The options that are given.
        options: Options,
        /// Those that get their default back.
        unset: Vec<String>,
        /// By whom.
        by: DefinedBy,
    },
    /// What would [`Command::Add`] do?
    DryAdd {
        /// As it was asked for.
        spec: WatchSpec,
        /// Where PATH is one file: its name.
        only: Option<Name>,
    },
    /// What would [`Command::Set`] do?
    DrySet {
        /// Which watch.
        watch: String,
        /// The options that are given.
        options: Options,
        /// Those that get their default back.
        unset: Vec<String>,
    },
    /// Change the schedule.
    SetInterval(String, SpanOrOff),
    /// Stop runs.
    Pause(Vec<String>),
    /// Let runs go on.
    Resume(Vec<String>),
    /// A held watch: what is there is right and done.
    Accept(String),
    /// Reconcile and run.
    RunNow {
        /// Which; none: all.
        watches: Vec<String>,
        /// Every matching file.
        all_files: bool,
    },
    /// Reconcile, and give files out again.
    GiveAgain(ReplayRequest),
    /// How far is this sweep?
    Sweep(u64),
    /// Resolve watch names and paths to ids (none named: all); for `tail` and `runs`.
    Resolve(Vec<String>),
    /// New defaults and limits from the config.
    Settings(Settings),
    /// Tell about files of the ledger: a page, after some of its places.
    Files(FilesQuery),
    /// Failed files are pending again at attempt 1.
    Retry {
        /// Of which watch.
        watch: String,
        /// Which files, or those below which folders; none: all.
        paths: Vec<RawPath>,
    },
    /// What is pending or failed is given up.
    GiveUp {
        /// Of which watch.
        watch: String,
        /// Of which files, or of those below which folders.
        paths: Vec<RawPath>,
    },
    /// The counters.
    Counters,
    /// Record that the service started, stopped or reloaded.
    Service(fsmon_protocol::event::ServiceStatus),
    /// Start nothing more: the daemon stops. Answered when a last checkpoint of every watch is stored.
    Stop,
    /// A file of this name is about to be made in the root of this watch, to see whether it is heard of.
    ExpectProbe {
        /// Which watch.
        watch: String,
        /// Begins with [`crate::PROBE_PREFIX`].
        name: Name,
    },
    /// Whether the file of this name was heard of.
    ProbeHeard {
        /// Which watch.
        watch: String,
        /// The name that was expected.
        name: Name,
    },
    /// Tell about folders of the tree, to compare them: those of one watch at most.
    Folders(FoldersQuery),
    /// Compare a portion of what was read of a folder with what is known of it. Changes nothing.
    Compare(Comparison),
    /// Which watches cover this absolute path, to look at it below the root of each.
    Covering(RawPath),
    /// Tell what is known of a path, beside what was seen of it. Changes nothing.
    Explain(Vec<(Covering, Sighting)>),
}

/// A watch that covers a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covering {
    /// Its number.
    pub watch: WatchId,
    /// Its root.
    pub root: RawPath,
    /// The path below that; empty for the root itself.
    pub rel: RawPath,
    /// Its file system does not answer: it is not to be asked.
    pub stuck: bool,
    /// It matters whether somebody has it open for writing.
    pub check: bool,
}

/// What was seen of a path below a root, name by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What each name is, from the root on: all of them, or up to the first that is no folder.
    pub names: Vec<Stat>,
    /// Why it ends before the last of them, unless by what the last one is.
    pub end: Result<(), FolderProblem>,
}

/// Which folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldersQuery {
    /// Of these watches; none named: all.
    pub watches: Vec<String>,
    /// From this watch and place on.
    pub from: (WatchId, u32),
}

/// Some folders of one watch that can be compared now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldersPage {
    /// Which watch.
    pub watch: WatchId,
    /// Its name.
    pub name: Arc<str>,
    /// Its root.
    pub root: RawPath,
    /// It is comparing by itself what may have changed: wait for the end of that.
    pub busy: bool,
    /// Each with its path below the root.
    pub folders: Vec<(NodeId, RawPath)>,
    /// Ask next from here; none: that was all.
    pub next: Option<(WatchId, u32)>,
}

/// What was read of a folder, and what of it is to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Of which watch.
    pub watch: WatchId,
    /// Which folder.
    pub folder: NodeId,
    /// All its entries, sorted by name.
    pub entries: Arc<Vec<(Name, Stat)>>,
    /// From where on.
    pub from: ComparedTo,
}

/// How far a comparison has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparedTo {
    /// So many of the entries were looked for in the tree.
    Entry(usize),
    /// All of them were; now entries of the tree are looked for, from this one on.
    Known(NodeId),
}

/// What one portion showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// What differs, and nobody suspects yet.
    pub different: Vec<Different>,
    /// Go on from here; none: that was all.
    pub next: Option<ComparedTo>,
}

/// One entry that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Different {
    /// How.
    pub kind: DifferenceKind,
    /// Its absolute path.
    pub path: RawPath,
    /// The place of its row, and what that says it is.
    pub known: Option<(u32, FileType)>,
    /// What the row holds, where it is not stored yet.
    pub ledger: Option<Fingerprint>,
    /// What is on disk.
    pub found: Option<Stat>,
}

/// Settings of the machine as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Options that a watch takes where it gives none itself.
    pub defaults: Options,
    /// How many commands run at once over all watches; at least 1.
    pub max_runs: u32,
}

/// Which files of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesQuery {
    /// Of these watches; none named: all.
    pub watches: Vec<String>,
    /// Only in one of these states; none named: all.
    pub states: Vec<FileState>,
    /// From this watch and place on.
    pub from: (WatchId, u32),
    /// At most so many.
    pub max: usize,
}

/// Some files of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesPage {
    /// Each with its watch and the place of its stored row. Of its runs the core knows nothing; what was last seen it
    /// knows only of what is not stored yet.
    pub files: Vec<(WatchId, u32, FileInfo)>,
    /// Ask next from here; none: that was all.
    pub next: Option<(WatchId, u32)>,
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
    /// Some files.
    Files(FilesPage),
    /// Of how many files.
    Count(u64),
    /// What to look for in a dry run.
    Trial(Box<Trial>),
    /// Done.
    Done,
    /// Whether a probe was heard of.
    Heard(bool),
    /// Some folders; none where no watch is left.
    Folders(Option<FoldersPage>),
    /// What a portion of a comparison showed.
    Compared(Compared),
    /// The watches that cover a path.
    Covering(Vec<Covering>),
    /// What they know of it, each with its number and the place of the stored row. Of runs the core knows nothing; what
    /// was last seen it knows only of what is not stored yet.
    Explained(Vec<(WatchId, Option<u32>, Explained)>),
}
