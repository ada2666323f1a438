//! One entry of the tree, and the facts about it.

use fsmon_protocol::fingerprint::FileType;

use smallvec::SmallVec;

use super::NONE;
/// A name in the tree. Most names are short: those of up to 16 bytes need no place of their own in memory.
pub(super) type ShortName = SmallVec<[u8; 16]>;

/// Facts about a node, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u16);

impl Flags {
    /// The journal knows it: it was there when last looked at, and its create is told.
    pub const KNOWN: Self = Self(1);
    /// Its row differs from the stored one.
    pub const DIRTY: Self = Self(2);
    /// It was written to and not closed since.
    pub const OPEN: Self = Self(4);
    /// It was told while it was perhaps still open, so that its close is told too.
    pub const TOLD_OPEN: Self = Self(8);
    /// There is an entry for it in the map of what is pending.
    pub const PENDING: Self = Self(16);
    /// There is a suspicion about it.
    pub const SUSPECT: Self = Self(32);
    /// A folder whose events come.
    pub const ARMED: Self = Self(64);
    /// A folder that could not be read when last tried.
    pub const UNREADABLE: Self = Self(128);
    /// It was renamed away, and where to is not yet known.
    pub const MOVING: Self = Self(256);
    /// A folder whose first listing is on its way.
    pub const LISTING: Self = Self(512);
    /// A folder that was not found when it was to be listed, and that is listed again if it is there after all.
    pub const UNLISTED: Self = Self(1024);
    /// What a scan found of it is kept until the scan is complete, and nothing was told of it since.
    pub const DEFERRED: Self = Self(2048);
    /// A folder at which something is mounted.
    pub const MOUNT: Self = Self(4096);
    /// It is known, and lies on a file system that cannot be seen now: another one is mounted over it, or it is not
    /// mounted. Its `mark` says on which. Missing it is no deletion.
    pub const HIDDEN: Self = Self(8192);
    /// It is a place that is free.
    pub(super) const FREE: Self = Self(0x8000);
}

/// One entry.
#[derive(Debug)]
pub struct Node {
    pub(super) name: ShortName,
    pub(super) parent: u32,
    pub(super) first_child: u32,
    pub(super) next: u32,
    pub(super) prev: u32,
    pub(super) generation: u32,
    /// The listing that saw it last; of one that is hidden the layer that it lies on.
    pub mark: u32,
    /// For a file a hash of inode, size and mtime; for a folder its inode; 0 where unknown.
    pub ident: u64,
    /// A hash of its ctime.
    pub ctime: u32,
    flags: Flags,
    /// What it is.
    pub file_type: FileType,
}

impl Node {
    /// Its name in its folder.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The place of its folder; the root is its own.
    pub fn parent(&self) -> u32 {
        self.parent
    }

    /// Whether all these flags are set.
    pub fn has(&self, flags: Flags) -> bool {
        self.flags.0 & flags.0 == flags.0
    }

    /// Sets these flags.
    pub fn set(&mut self, flags: Flags) {
        self.flags.0 |= flags.0;
    }

    /// Clears these flags.
    pub fn clear(&mut self, flags: Flags) {
        self.flags.0 &= !flags.0;
    }

    /// Whether it is a folder.
    pub fn is_dir(&self) -> bool {
        self.file_type == FileType::Dir
    }
}

impl Node {
    /// An entry that is not linked to others.
    pub(super) fn new(name: &[u8], parent: u32, file_type: FileType, generation: u32) -> Self {
        Self {
            name: ShortName::from_slice(name),
            parent,
            first_child: NONE,
            next: NONE,
            prev: NONE,
            generation,
            mark: 0,
            ident: 0,
            ctime: 0,
            flags: Flags::default(),
            file_type,
        }
    }
}
