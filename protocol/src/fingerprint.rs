//! What a look at a path tells: enough to know whether a file changed.

use serde::{Deserialize, Serialize};

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    /// A regular file: the only type that commands run for.
    File,
    /// A folder.
    Dir,
    /// A symbolic link: reported, never followed.
    Symlink,
    /// A fifo, socket or device: reported, never opened.
    Other,
}

impl FileType {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Dir => "dir",
            Self::Symlink => "symlink",
            Self::Other => "other",
        }
    }
}

/// Inode, size, and times in nanoseconds since 1970, as `statx` gives them. The device number is never kept: it
/// changes between boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Inode number; 0 where the file system does not keep them stable.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Time of last modification.
    pub mtime: i64,
    /// Time of last change of content, name, owner or mode; 0 where inodes are not stable.
    pub ctime: i64,
}
