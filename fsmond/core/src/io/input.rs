//! Everything that can wake the machine.

use fsmon_protocol::RawPath;
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::run::Outcome;
use fsmon_protocol::spec::Backend;
use fsmon_protocol::status::Workers;
use std::sync::Arc;

use super::{Command, Digest, Name, NodeId, RunId, Token, WatchId};
use crate::ignores::IgnoreFile;

/// Everything that can wake the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The source says where to look.
    Hints(Vec<Hint>),
    /// The answer to [`super::Effect::Open`].
    Opened {
        /// The watch.
        watch: WatchId,
        /// What its root is, or why it cannot be watched.
        result: Result<RootFacts, RootProblem>,
    },
    /// Something was mounted or unmounted at these absolute paths, which hold no symbolic links.
    Mounted(Vec<RawPath>),
    /// Parts of answers to [`super::Effect::List`].
    Listed(Vec<Listing>),
    /// Answers to [`super::Effect::Look`].
    Looked(Vec<Looked>),
    /// The answer to [`super::Effect::Digest`].
    Digested(Digested),
    /// These operations are durable.
    Stored(Vec<Ack>),
    /// The store cannot write (and why), or can again.
    StoreState(Option<String>),
    /// A command ended.
    RunEnded(RunEnded),
    /// A command was not started: its file was gone when it was to be opened for it.
    RunVanished(RunId),
    /// A command was not started: the machine, or a limit, gave no descriptors, processes or memory for it, which is no fault
    /// of its file. Why, in a sentence.
    RunPutOff(RunId, String),
    /// A command was not started: it was taken back before there was a place for it.
    RunTakenBack(RunId),
    /// The answer to [`super::Effect::PutAway`].
    PutAway {
        /// The watch.
        watch: WatchId,
        /// The file.
        node: NodeId,
        /// What came of it.
        result: PutAway,
    },
    /// How the workers of a watch are.
    Workers(WatchId, Workers),
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
    /// The root itself, or a folder or link that leads to it, was moved away or replaced: what comes now may be about
    /// another place.
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
    /// Its absolute path without symbolic links, as mounts are told.
    pub real: RawPath,
    /// How changes are seen, as chosen for its mount.
    pub backend: Backend,
    /// Why that one, where it was not the first choice.
    pub backend_why: Option<String>,
    /// Why the system did not give what sees changes at once, and what would cure it. It is asked again.
    pub limited: Option<String>,
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
    /// What the ignore file in it says, where that was asked: before any entry.
    Ignores(IgnoreRead),
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

impl ListPart {
    /// Whether none comes after it.
    pub const fn is_last(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed(_))
    }
}

/// What became of reading the ignore file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IgnoreRead {
    /// There is none. What is no regular file is none, as for git.
    Missing,
    /// It says this.
    Read(Arc<IgnoreFile>),
    /// It is there, and what it says cannot be told: why.
    Unread(String),
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

/// The answer about the content of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digested {
    /// The watch.
    pub watch: WatchId,
    /// The file.
    pub file: NodeId,
    /// As in the request.
    pub tag: u32,
    /// Its digest, where its content was asked for; or why it can't be told that the file is what was seen.
    pub result: Result<Option<Digest>, String>,
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
    /// Whether something is mounted there; false where the system does not tell.
    pub mount_point: bool,
    /// Whether somebody has it open for writing, where that was asked and could be told.
    pub written: Option<bool>,
}

impl Stat {
    /// What a record or a listing tells of an entry: its type and fingerprint, and no more.
    pub fn told(file_type: FileType, fingerprint: Fingerprint) -> Self {
        Self { file_type, fingerprint, btime: 0, own: false, mount_point: false, written: None }
    }
}

/// An operation of the store that somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ack {
    /// The start of this run is recorded: it may be started.
    RunStart(WatchId, RunId),
    /// The effects of this command are recorded: it may be answered.
    Command(Token),
    /// The end of this run is recorded: its files may be put away.
    RunEnd(WatchId, RunId),
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

/// What came of putting a file away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutAway {
    /// It is here now.
    Moved(RawPath),
    /// It was deleted.
    Deleted,
    /// It was not there.
    Gone,
    /// Something else is there, or it was written to: it was left alone.
    Changed,
    /// It could not be done, and nothing was: why.
    Kept(String),
}
