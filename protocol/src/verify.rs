//! What `verify` tells: where the tree on disk, the ledger and the watches of the kernel differ.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::file::FilesCursor;
use crate::fingerprint::{FileType, Fingerprint};
use crate::path::RawPath;

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// It is on disk, and the ledger does not know it. Of a folder: what is in it is not counted.
    Untold,
    /// The ledger knows it, and it is not on disk.
    Gone,
    /// It is another one, or has other content, than the ledger says.
    Changed,
    /// A folder without a watch of the kernel, where the watch has them.
    Unarmed,
    /// A folder that cannot be read, so that nothing in it could be compared.
    Unread,
}

impl DifferenceKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Untold, Self::Gone, Self::Changed, Self::Unarmed, Self::Unread];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untold => "untold",
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::Unarmed => "unarmed",
            Self::Unread => "unread",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The watch's name.
    pub watch: Arc<str>,
    /// Where.
    pub path: RawPath,
    /// How.
    pub kind: DifferenceKind,
    /// What the ledger says it is.
    pub known: Option<FileType>,
    /// What it is on disk.
    pub found: Option<FileType>,
    /// As the ledger has it, where it has all of it.
    pub ledger: Option<Fingerprint>,
    /// As it is on disk.
    pub disk: Option<Fingerprint>,
    /// Why it cannot be read.
    pub why: Option<String>,
}

/// What `verify` asks: one slice of the way through all folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyRequest {
    /// Of these watches, by name or path; none named: all.
    pub watches: Vec<String>,
    /// From where on; none: from the beginning.
    pub from: Option<FilesCursor>,
    /// At most so many differences are named; all are counted. The daemon caps it.
    pub max: u32,
}

/// What one slice found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReply {
    /// How many folders were read.
    pub folders: u64,
    /// How many entries were compared.
    pub entries: u64,
    /// How many differences there are of each kind, in the order of [`DifferenceKind::ALL`].
    pub counts: Vec<u64>,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// Ask next from here; none: that was all.
    pub next: Option<FilesCursor>,
}
