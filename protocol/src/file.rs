//! Files as the ledger knows them: what `files` and `failures` tell, page by page.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::EventKind;
use crate::fingerprint::{FileType, Fingerprint};
use crate::path::RawPath;
use crate::run::RunInfo;
use crate::units::Timestamp;

/// Where a file stands with its processing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// What was last seen is processed, or was taken as done.
    Clean,
    /// It changed, and waits until it is complete and quiet.
    Settling,
    /// It waits for a free place, or for its watch to go on.
    Ready,
    /// Its command runs.
    Running,
    /// Its command failed, and is tried again.
    Backoff,
    /// Its command failed for the last time: it is set aside until it changes or somebody says `retry`.
    Failed,
}

impl FileState {
    /// Those of a file that changed and is to be processed by itself.
    pub const PENDING: [Self; 3] = [Self::Settling, Self::Ready, Self::Backoff];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Settling => "settling",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Backoff => "backoff",
            Self::Failed => "failed",
        }
    }
}

/// One file of a watch's ledger. Folders are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// The watch's name.
    pub watch: Arc<str>,
    /// Its absolute path.
    pub path: RawPath,
    /// What it is.
    pub file_type: FileType,
    /// Where it stands.
    pub state: FileState,
    /// What happened to it since it was last processed, all in all; none for a clean one.
    pub kind: Option<EventKind>,
    /// How many attempts were made at this version.
    pub attempts: u32,
    /// When that state ends by itself: it has settled, or is tried again.
    pub due: Option<Timestamp>,
    /// What was last seen of it, where that is known.
    pub seen: Option<Fingerprint>,
    /// Its latest run, where that is kept. Its path is left out.
    pub last: Option<RunInfo>,
    /// Its latest run that succeeded, where that is kept. Its path is left out.
    pub processed: Option<RunInfo>,
}

/// Up to where a listing has come: the watch's number and a place in its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesCursor {
    /// The watch's number.
    pub watch: u32,
    /// The next place in it.
    pub place: u32,
}

/// What `files` asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesRequest {
    /// Of these watches, by name or path; none named: all.
    pub watches: Vec<String>,
    /// Only files in one of these states; none named: all.
    pub states: Vec<FileState>,
    /// From where on; none: from the beginning.
    pub from: Option<FilesCursor>,
    /// At most so many; the daemon caps it.
    pub max: u32,
}

/// One page of files, in no particular order. What changes while pages are read may be missed or be there twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesReply {
    /// The files.
    pub files: Vec<FileInfo>,
    /// Ask next from here; none: that was all.
    pub next: Option<FilesCursor>,
}
