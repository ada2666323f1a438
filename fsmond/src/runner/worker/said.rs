//! What a worker writes to its stderr: kept as the output of the file it has had longest, which with one line at a time is
//! the file it works on; in the log where it has none. Read always, so that it never blocks; kept up to the cap of a run.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use fsmon_core::io::RunId;
use fsmon_protocol::path::escape;
use tokio::net::unix::pipe::Receiver;
use tracing::{debug, info};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;
/// So much of what it says while it has no file goes into the log at once.
const LOGGED: usize = 1000;

/// Where it goes.
pub(super) struct Said {
    pipe: Receiver,
    folder: PathBuf,
    cap: u64,
    buffer: Vec<u8>,
    at_end: bool,
    /// The file that was written to last.
    open: Option<(RunId, File)>,
}

/// How many bytes of one run's output were kept and dropped.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) kept: u64,
    pub(super) dropped: u64,
}

impl Said {
    /// Reads from this pipe; output goes into `folder`, at most `cap` bytes for a run. Needs a runtime.
    pub(super) fn new(pipe: OwnedFd, folder: PathBuf, cap: u64) -> io::Result<Self> {
        let pipe = Receiver::from_owned_fd(pipe)?;
        Ok(Self { pipe, folder, cap, buffer: Vec::new(), at_end: false, open: None })
    }

    /// Waits until there is something to take; for ever once nobody can write any more. May be cancelled.
    pub(super) async fn readable(&self) {
        if self.at_end {
            return std::future::pending().await;
        }
        // An error is met again, and dealt with, when the pipe is read.
        let _ = self.pipe.readable().await;
    }

    /// Takes what is there, once, for the run whose output it is. False where there was nothing.
    pub(super) async fn take(&mut self, watch: &str, worker: u32, run: Option<(RunId, &mut Counts)>) -> bool {
        self.buffer.clear();
        self.buffer.reserve(CHUNK);
        match self.pipe.try_read_buf(&mut self.buffer) {
            Ok(0) => self.at_end = true,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return false,
            Err(error) => {
                debug!("what a worker says cannot be read: {error}");
                self.at_end = true;
            }
        }
        if self.buffer.is_empty() {
            return false;
        }
        if let Some((run, counts)) = run {
            self.keep(run, counts).await;
        } else {
            let said = escape(&self.buffer[..self.buffer.len().min(LOGGED)]);
            info!(target: "fsmond::worker", watch, worker, %said, "worker says, without a file");
        }
        true
    }

    /// Appends as much as there is room for, away from the runtime's own threads, and counts the rest.
    async fn keep(&mut self, run: RunId, counts: &mut Counts) {
        let all = self.buffer.len();
        let fits = usize::try_from(self.cap.saturating_sub(counts.kept)).unwrap_or(usize::MAX).min(all);
        if fits == 0 {
            counts.dropped += all as u64;
            return;
        }
        let file = self.open.take().filter(|(of, _)| *of == run).map(|(_, file)| file);
        let path = self.folder.join(run.to_string());
        let first = counts.kept == 0;
        let bytes = std::mem::take(&mut self.buffer);
        let written = tokio::task::spawn_blocking(move || {
            let mut file = file.map_or_else(|| open(&path, first), Ok)?;
            file.write_all(&bytes[..fits])?;
            Ok::<_, io::Error>((file, bytes))
        });
        match written.await.map_err(io::Error::other).and_then(|result| result) {
            Ok((file, bytes)) => {
                self.buffer = bytes;
                self.open = Some((run, file));
                counts.kept += fits as u64;
                counts.dropped += (all - fits) as u64;
            }
            Err(error) => {
                debug!(run, "what a worker says cannot be kept: {error}");
                counts.dropped += all as u64;
            }
        }
    }
}

/// `create_new` is `O_EXCL`: it makes a file or fails, and follows no link.
fn open(path: &std::path::Path, first: bool) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create_new(first)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}
