//! The folder `output`: one file per run while it runs, and after it where the output is long.
//!
//! Names in it are run numbers and nothing else; symbolic links are never followed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fsmon_core::io::RunId;

use super::error::StoreError;

/// Output of at most this many bytes moves into the database when its run ends.
pub(super) const INLINE: u64 = 4096;

/// Output files of runs.
#[derive(Debug, Clone)]
pub(super) struct Outputs {
    folder: PathBuf,
}

impl Outputs {
    /// Makes the folder where it is missing, open to our own user only.
    pub(super) fn open(state: &Path) -> Result<Self, StoreError> {
        let folder = state.join("output");
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let there = std::fs::symlink_metadata(&folder).map_err(StoreError::io("look at", &folder))?;
                if !there.is_dir() {
                    let why = "is not a folder: move it away, fsmond keeps the output of commands there".into();
                    return Err(StoreError::Refused { path: folder, why });
                }
            }
            Err(e) => return Err(StoreError::io("make the folder", &folder)(e)),
        }
        Ok(Self { folder })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, run: RunId) -> PathBuf {
        self.folder.join(run.to_string())
    }

    fn file(&self, run: RunId) -> io::Result<(File, u64)> {
        let no_follow = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(no_follow.bits()).unwrap_or(0);
        let file = OpenOptions::new().read(true).custom_flags(flags).open(self.path(run))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        Ok((file, metadata.len()))
    }

    /// How long a run's file is; none where there is none.
    pub(super) fn length(&self, run: RunId) -> Option<u64> {
        self.file(run).ok().map(|(_, length)| length)
    }

    /// The whole output where it is short enough to move into the database.
    pub(super) fn short(&self, run: RunId) -> Option<Vec<u8>> {
        let (file, length) = self.file(run).ok()?;
        if length > INLINE {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(INLINE + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= INLINE).then_some(bytes)
    }

    /// At most `max` bytes from `offset` on; nothing where there is no file.
    pub(super) fn read(&self, run: RunId, offset: u64, max: usize) -> io::Result<Vec<u8>> {
        let (mut file, length) = match self.file(run) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut bytes = Vec::new();
        if offset < length {
            file.seek(SeekFrom::Start(offset))?;
            file.take(max as u64).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }

    /// Removes a run's file, if there is one.
    pub(super) fn remove(&self, run: RunId) {
        match std::fs::remove_file(self.path(run)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove {}: {e}", self.path(run).display());
            }
            _ => {}
        }
    }
}
