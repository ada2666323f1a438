//! The log file: rotated by size and age, opened again when somebody moved it away.
//!
//! Never follows a symlink at its name, never changes owner or mode of anything that is there already, and never
//! writes into what belongs to somebody else.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::OFlags;

use super::OnOpen;
use super::queue::Sink;
use crate::host::ownership;

/// How long a file that was moved away may go on being written, where nobody says so.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// How long nothing more is said on stderr about a log file that can't be written.
const COMPLAIN_EVERY: Duration = Duration::from_secs(3600);

/// When a log file is rotated, and how many old ones (`NAME.1`, the youngest, to `NAME.N`) are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Before it would grow beyond this many bytes.
    pub max_size: u64,
    /// Before a line that comes so long after the file was made.
    pub max_age: Duration,
    /// How many old ones are kept; 0: none.
    pub keep: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_size: 10 << 20, max_age: Duration::from_secs(86_400), keep: 7 }
    }
}

/// The log file, open.
pub struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    reopen: Arc<AtomicBool>,
    open: Open,
    checked: Instant,
    /// The last write stopped within a line.
    torn: bool,
    /// When it was last said on stderr that something is wrong.
    complained: Option<Instant>,
    on_open: Option<OnOpen>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    began: SystemTime,
}

impl LogFile {
    /// Opens the file at `path`, or makes it. `reopen` asks for opening it again before the next line.
    pub fn open(path: &Path, rotation: Rotation, reopen: Arc<AtomicBool>, on_open: Option<OnOpen>) -> io::Result<Self> {
        let open = open(path)?;
        let log = Self {
            path: path.to_owned(),
            rotation,
            reopen,
            open,
            checked: Instant::now(),
            torn: false,
            complained: None,
            on_open,
        };
        log.tell_opened();
        log.prune();
        Ok(log)
    }

    fn tell_opened(&self) {
        if let Some(on_open) = &self.on_open {
            on_open(&self.path);
        }
    }

    /// Sees to it that the next `coming` bytes go where they should.
    fn prepare(&mut self, coming: u64) -> io::Result<()> {
        let asked = self.reopen.swap(false, Ordering::Relaxed);
        if asked || self.checked.elapsed() >= CHECK_EVERY {
            self.checked = Instant::now();
            if asked || self.was_moved() {
                self.open = open(&self.path)?;
                self.tell_opened();
                self.torn = false;
            }
        }
        let too_large = self.open.size > 0 && self.open.size.saturating_add(coming) > self.rotation.max_size;
        let too_old = self.open.size > 0 && self.open.began.elapsed().is_ok_and(|age| age >= self.rotation.max_age);
        if too_large || too_old {
            self.rotate()?;
        }
        Ok(())
    }

    /// Whether the name leads elsewhere than to what is open; takes note of its size, which others may have changed.
    fn was_moved(&mut self) -> bool {
        let (Ok(named), Ok(opened)) = (fs::symlink_metadata(&self.path), self.open.file.metadata()) else {
            return true;
        };
        self.open.size = opened.len();
        (named.dev(), named.ino()) != (opened.dev(), opened.ino())
    }

    fn rotate(&mut self) -> io::Result<()> {
        // Up to the first gap only, so that a rotation that fails half way, tried again, moves no more of them.
        let there = |n: &u32| fs::symlink_metadata(self.old(*n)).is_ok();
        let last = (1..self.rotation.keep).take_while(there).last().unwrap_or(0);
        for n in (1..=last).rev() {
            fs::rename(self.old(n), self.old(n + 1))?;
        }
        if self.rotation.keep == 0 {
            fs::remove_file(&self.path)?;
        } else {
            fs::rename(&self.path, self.old(1))?;
        }
        self.open = open(&self.path)?;
        self.tell_opened();
        self.torn = false;
        self.prune();
        Ok(())
    }

    /// The name of the `n`th old file.
    fn old(&self, n: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{n}"));
        PathBuf::from(name)
    }

    /// Removes old files beyond those that are kept, as after `log-keep` was lowered. Best effort: what can't be
    /// removed is in nobody's way.
    fn prune(&self) {
        let (Some(folder), Some(name)) = (self.path.parent(), self.path.file_name()) else { return };
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let entry_name = entry.file_name();
            let number = entry_name
                .as_encoded_bytes()
                .strip_prefix(name.as_encoded_bytes())
                .and_then(|rest| rest.strip_prefix(b"."))
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|digits| digits.parse::<u32>().ok());
            if number.is_some_and(|n| n > self.rotation.keep) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Writes as much as can be; tells how much of it was.
    fn append(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut done = 0;
        while done < bytes.len() {
            match self.open.file.write(&bytes[done..]) {
                Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return (done, Err(e)),
            }
        }
        (done, Ok(()))
    }

    /// Says on stderr what is wrong: once, and not again within an hour.
    fn complain(&mut self, what: &str, error: &io::Error) {
        if self.complained.is_some_and(|said| said.elapsed() < COMPLAIN_EVERY) {
            return;
        }
        self.complained = Some(Instant::now());
        let path = fsmon_protocol::path::escape(self.path.as_os_str().as_encoded_bytes());
        // Nobody may read it; there is nothing else to say it on.
        let _ = writeln!(io::stderr(), "fsmond: {what} the log file {path}: {error}");
    }

    /// Writes lines that fit into one file together; tells how many of them were not written.
    fn write_piece(&mut self, piece: &str) -> u64 {
        if let Err(e) = self.prepare(piece.len() as u64) {
            // What is open still takes lines: better too large, or under another name, than lost.
            self.complain("can't rotate or reopen", &e);
        }
        if self.torn && self.append(b"\n").1.is_ok() {
            self.torn = false;
        }
        let bytes = piece.as_bytes();
        let (done, result) = self.append(bytes);
        self.open.size += done as u64;
        match result {
            Ok(()) => 0,
            Err(e) => {
                self.torn |= done > 0 && bytes[done - 1] != b'\n';
                self.complain("can't write", &e);
                count_lines(&bytes[done..])
            }
        }
    }
}

impl Sink for LogFile {
    fn write(&mut self, lines: &str) -> u64 {
        let most = usize::try_from(self.rotation.max_size.min(64 << 10)).unwrap_or(64 << 10);
        let mut rest = lines;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(whole_lines(rest, most));
            let failed = self.write_piece(piece);
            if failed > 0 {
                // What comes after must not seem to follow what was written.
                return failed + count_lines(after.as_bytes());
            }
            rest = after;
        }
        0
    }
}

/// The length of as many whole lines as fit into `most` bytes, and of one at least.
fn whole_lines(text: &str, most: usize) -> usize {
    if text.len() <= most {
        return text.len();
    }
    let bytes = text.as_bytes();
    let fit = bytes[..most].iter().rposition(|b| *b == b'\n');
    fit.or_else(|| bytes.iter().position(|b| *b == b'\n')).map_or(text.len(), |at| at + 1)
}

fn count_lines(bytes: &[u8]) -> u64 {
    (bytes.split(|b| *b == b'\n').count() - 1) as u64
}

/// Opens the file at `path` for appending, or makes it and its folder.
fn open(path: &Path) -> io::Result<Open> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
        ownership::check_folder(&File::open(folder)?, folder)?;
    }
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let opened = OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path);
    let file = match opened {
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(io::Error::other("it is a symbolic link, which is not followed; name the file itself"));
        }
        other => other?,
    };
    ownership::check_written(&file, path)?;
    let facts = file.metadata()?;
    let began = if facts.len() == 0 { SystemTime::now() } else { facts.created().or_else(|_| facts.modified())? };
    Ok(Open { file, size: facts.len(), began })
}
