//! The output of one run: stdout and stderr through one pipe, in the order they were written, into one file.
//!
//! The file is made when the first byte comes, so that most runs make none. Only the first bytes up to a cap are
//! kept; what is more is read and counted, so that a command never blocks on its output and never fills the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, PipeReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::ioctl_fionbio;
use tracing::debug;

use super::readable::Readable;

/// How much is read at once: what a pipe holds by default.
const CHUNK: usize = 64 * 1024;
/// How much is read first: most commands print little or nothing.
const FIRST: usize = 1024;

/// How often it is read after the command has ended: more than the largest pipe an ordinary user can make holds.
const MOST_READS_AT_END: u32 = 64;

/// Where the output of one run goes.
pub(super) struct Capture {
    pipe: Readable,
    path: PathBuf,
    file: FileState,
    /// How many more bytes may be kept.
    room: u64,
    kept: u64,
    dropped: u64,
    /// Whether every writer has closed its end.
    at_end: bool,
    buffer: Vec<u8>,
}

enum FileState {
    NotYet,
    Open(File),
    /// Nothing can be kept any more.
    Failed,
}

impl Capture {
    /// Reads from this pipe into that file, at most `cap` bytes.
    pub(super) fn new(pipe: PipeReader, path: PathBuf, cap: u64) -> io::Result<Self> {
        ioctl_fionbio(&pipe, true)?;
        Ok(Self {
            pipe: Readable::new(OwnedFd::from(pipe)),
            path,
            file: FileState::NotYet,
            room: cap,
            kept: 0,
            dropped: 0,
            at_end: false,
            buffer: Vec::new(),
        })
    }

    /// Waits until there is something to [`Capture::take`]; for ever, once all writers have closed their end. May be
    /// cancelled.
    pub(super) async fn readable(&mut self) {
        if self.at_end {
            return std::future::pending().await;
        }
        self.pipe.wait().await;
    }

    /// Whether there is something to [`Capture::take`] within this time, or its end. Blocks.
    pub(super) fn comes_within(&self, time: Duration) -> bool {
        self.pipe.comes_within(time)
    }

    /// Reads what is there, once, and puts it away; false where there was nothing. Blocks while it writes.
    pub(super) fn take(&mut self) -> bool {
        self.buffer.reserve(if self.kept + self.dropped == 0 { FIRST } else { CHUNK });
        match self.pipe.read(&mut self.buffer) {
            Ok(0) => {
                self.at_end = true;
                false
            }
            Ok(_) => {
                self.put_away();
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => false,
            Err(error) => {
                debug!("output of a command cannot be read: {error}");
                self.at_end = true;
                false
            }
        }
    }

    /// Takes all that is there now, but no more than a bounded number of times: a process that goes on writing must
    /// not hold the run.
    pub(super) fn take_rest(&mut self) {
        for _ in 0..MOST_READS_AT_END {
            if self.at_end || !self.take() {
                return;
            }
        }
    }

    /// Whether every writer has closed its end.
    pub(super) fn at_end(&self) -> bool {
        self.at_end
    }

    /// How many bytes were kept, and how many more were dropped.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.kept, self.dropped)
    }

    /// Writes the buffer as far as there is room, and counts the rest.
    fn put_away(&mut self) {
        let all = self.buffer.len();
        let fits = usize::try_from(self.room).unwrap_or(usize::MAX).min(all);
        let file = std::mem::replace(&mut self.file, FileState::Failed);
        if fits == 0 || matches!(file, FileState::Failed) {
            self.file = file;
            self.dropped += all as u64;
        } else {
            match write(file, &self.path, &self.buffer[..fits]) {
                Ok(file) => {
                    self.file = FileState::Open(file);
                    self.room -= fits as u64;
                    self.kept += fits as u64;
                    self.dropped += (all - fits) as u64;
                }
                Err(error) => {
                    debug!(path = %self.path.display(), "output of a command cannot be kept: {error}");
                    self.dropped += all as u64;
                }
            }
        }
        self.buffer.clear();
    }
}

/// Opens the file where that was not done yet, and appends to it.
fn write(file: FileState, path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = match file {
        FileState::Open(file) => file,
        // `create_new` is O_EXCL: it makes a file or fails, and follows no link.
        FileState::NotYet | FileState::Failed => OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?,
    };
    file.write_all(bytes)?;
    Ok(file)
}
