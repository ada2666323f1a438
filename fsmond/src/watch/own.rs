//! fsmond's own files, by device and inode: what it writes must never wake it.
//!
//! The app registers the state folder, the log's folder and file, and the socket, each before it is first written to,
//! and again when a path names a new file (after a rotation). A folder that is own is never entered, so that what is
//! in it needs no entry. Must never keep an entry for a path that was given up: the inode may become a user's file.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::sys;
use super::threads::lock;

/// The registry. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct OwnFiles(Arc<Mutex<HashMap<PathBuf, (u64, u64)>>>);

/// The registry as it is at one moment, for many questions.
#[derive(Debug, Clone, Default)]
pub struct OwnSet(Vec<(u64, u64)>);

impl OwnFiles {
    /// Registers what is at this path now (symbolic links are followed), in place of what was there before.
    /// Fails where it cannot be looked at.
    pub fn register(&self, path: &Path) -> io::Result<()> {
        let facts = sys::look_at_path(path)?;
        lock(&self.0).insert(path.to_owned(), (facts.dev, facts.inode));
        Ok(())
    }

    /// Registers an open file (stdout that is a file, say) under a name of its own, in place of an earlier one.
    pub fn register_fd(&self, name: &str, fd: impl AsFd) -> io::Result<()> {
        let facts = sys::look_at_fd(fd.as_fd())?;
        lock(&self.0).insert(PathBuf::from(name), (facts.dev, facts.inode));
        Ok(())
    }

    /// This path (or name) is no longer fsmond's own.
    pub fn forget(&self, path: &Path) {
        lock(&self.0).remove(path);
    }

    /// What is registered now.
    pub fn now(&self) -> OwnSet {
        OwnSet(lock(&self.0).values().copied().collect())
    }
}

impl OwnSet {
    /// Whether this is one of fsmond's own files. The set has a handful of entries.
    pub fn contains(&self, dev: u64, inode: u64) -> bool {
        self.0.contains(&(dev, inode))
    }
}
