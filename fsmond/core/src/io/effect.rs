//! Everything the machine can do to the world, but storing.

use fsmon_protocol::ApiError;
use fsmon_protocol::RawPath;
use fsmon_protocol::event::EventKind;
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::run::Trigger;
use fsmon_protocol::spec::After;
use fsmon_protocol::spec::Backend;
use fsmon_protocol::spec::Rules;
use fsmon_protocol::units::Timestamp;
use std::sync::Arc;

use super::{Ack, Answer, Name, NodeId, RunId, StoreOp, Token, WatchId};
use crate::ignores::IgnoreFile;

/// Everything the machine can do to the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look at the root and get ready to watch it. Answered by [`super::Input::Opened`].
    Open(OpenRequest),
    /// Let go of everything held for this watch: descriptors, queued listings and looks.
    Close(WatchId),
    /// Arm (where asked) and then list one folder. Answered by [`super::Input::Listed`], in parts.
    List(ListRequest),
    /// Look at names of one folder. Answered by [`super::Input::Looked`].
    Look(LookRequest),
    /// Tell what is in a file, if it is what was seen. Answered by [`super::Input::Digested`].
    Digest(DigestRequest),
    /// No more events of this folder are wanted. Not answered.
    Disarm(WatchId, NodeId),
    /// Store something. Operations are stored in order; where there is an ack, [`super::Input::Stored`] brings it back
    /// once the operation is durable.
    Store(StoreOp, Option<Ack>),
    /// Start a command. Answered by [`super::Input::RunEnded`], [`super::Input::RunVanished`] or [`super::Input::RunPutOff`]. Where
    /// as many of its watch run as its rules allow, it begins when one of them ends, in the order in which they were given.
    Spawn(Box<SpawnRequest>),
    /// Commands of this watch that have not begun are not to, or only this one. Each is answered by
    /// [`super::Input::RunTakenBack`].
    TakeBack(WatchId, Option<RunId>),
    /// End a running command: TERM, grace, KILL.
    EndRun(RunId),
    /// Move or delete a file after its run, if it is still the version that was processed. Answered by
    /// [`super::Input::PutAway`].
    PutAway(PutAwayRequest),
    /// A watch is to have these workers, or those that it has already; none: it is to have none any more, once they have
    /// answered what they were given. Answered by [`super::Input::Workers`], again and again.
    Workers(WatchId, Option<Box<WorkersRequest>>),
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
    /// [`super::FolderProblem::Gone`]: the path is an old one.
    pub inode: u64,
    /// Whether to arm it first.
    pub arm: bool,
    /// Whether to read its ignore file before its entries.
    pub ignores: AskIgnores,
    /// Comes back in every part.
    pub scan: u32,
}

/// Whether the ignore file of a folder is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskIgnores {
    /// No.
    No,
    /// Yes; this is what it said before, to be given back if it still says that.
    Yes(Option<Arc<IgnoreFile>>),
}

/// Names to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookRequest {
    /// Whether to find out who has the files open for writing: one is to be given to a command.
    pub check: bool,
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

/// A file of which a digest is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestRequest {
    /// The watch.
    pub watch: WatchId,
    /// The folder.
    pub folder: NodeId,
    /// Its path relative to the root, empty for the root.
    pub path: RawPath,
    /// Its inode, 0 where that is not known; as in [`ListRequest`].
    pub inode: u64,
    /// The name in it.
    pub name: Name,
    /// The file.
    pub file: NodeId,
    /// What was seen of it: before and after it is read it must be just that.
    pub seen: Fingerprint,
    /// Whether its content is read; else it is only looked at.
    pub content: bool,
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
    /// The files, where the run is for a batch, or what changed, where it is for the whole watch; sorted by path.
    pub manifest: Option<Arc<[Change]>>,
}

/// The workers that a watch is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersRequest {
    /// The watch.
    pub watch: WatchId,
    /// The watch's name.
    pub watch_name: Arc<str>,
    /// Absolute path of the root.
    pub root: RawPath,
    /// The watch's rules: command, environment, how many, how long.
    pub rules: Arc<Rules>,
}

/// What happened to one file of many since a run for it last succeeded, all in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: EventKind,
    /// Absolute path.
    pub path: RawPath,
    /// Absolute path before a rename.
    pub from: Option<RawPath>,
    /// Size, where it is there.
    pub size: Option<u64>,
    /// The same for every run that is given this version of the file.
    pub event_id: String,
}

/// A file to move or delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutAwayRequest {
    /// The watch.
    pub watch: WatchId,
    /// The file.
    pub node: NodeId,
    /// Absolute path of the root.
    pub root: RawPath,
    /// Its path relative to the root.
    pub rel: RawPath,
    /// The version that was processed.
    pub given: Fingerprint,
    /// What becomes of it.
    pub after: After,
    /// The same for every try with the same version of the same file, and no other.
    pub key: String,
    /// An earlier daemon may have done it, in part or whole.
    pub again: bool,
}
