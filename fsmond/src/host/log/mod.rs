//! The log: one record is one line, on the console and in a file that rotates by itself.
//!
//! A record is formatted where it is made and handed to one bounded queue per output, each with a thread of its own
//! that writes. Logging never waits for a disk or a terminal, never fails, and never loses a line without counting it
//! and saying so in the log. Start it after going into the background: threads do not survive a fork.
//!
//! Only fsmond's own records are shown; at level `trace` those of other crates as well.

mod console;
mod file;
mod layer;
mod level;
mod line;
mod panic;
mod queue;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, reload};

pub use file::Rotation;
use layer::{Lines, Output};
pub use level::{Format, Level, UnknownLevel};
use line::Style;
use queue::Queue;

/// What is logged, and where to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
    /// Whether stderr gets it.
    pub console: bool,
    /// The file that gets it.
    pub file: Option<FileSettings>,
}

/// A log file. Its folder is made (0750) if it is not there; it is 0640 itself.
#[derive(Debug, Clone)]
pub struct FileSettings {
    /// Where, absolute.
    pub path: PathBuf,
    /// When it is rotated, and how many old ones are kept.
    pub rotation: Rotation,
}

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log file can't be had.
    #[error("can't open the log file {}", fsmon_protocol::path::escape(.path.as_os_str().as_encoded_bytes()))]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A writer thread could not be started.
    #[error("can't start a thread for the log")]
    Thread(#[source] io::Error),
    /// The process has a log already.
    #[error("the log was started before")]
    Twice,
}

/// The running log. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct LogHandle {
    filter: reload::Handle<Targets, Registry>,
    level: Arc<Mutex<Level>>,
    queues: Vec<Arc<Queue>>,
    reopen: Arc<AtomicBool>,
}

/// Is told the path of the log file whenever another file was opened there, before the first line goes into it.
pub type OnOpen = Box<dyn Fn(&Path) + Send>;

/// Starts the log for the whole process, panics included. Once.
pub fn start(settings: &Settings) -> Result<LogHandle, StartError> {
    start_with(settings, None)
}

/// [`start`], and tells whenever another file was opened at the path of the log file.
pub fn start_with(settings: &Settings, on_open: Option<OnOpen>) -> Result<LogHandle, StartError> {
    let (subscriber, handle) = build(settings, on_open)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| StartError::Twice)?;
    panic::log_them(handle.clone());
    Ok(handle)
}

/// The log, not yet that of the process.
fn build(
    settings: &Settings,
    on_open: Option<OnOpen>,
) -> Result<(impl tracing::Subscriber + Send + Sync + use<>, LogHandle), StartError> {
    let reopen = Arc::new(AtomicBool::new(false));
    let mut outputs = Vec::new();
    if let Some(FileSettings { path, rotation }) = &settings.file {
        let log = file::LogFile::open(path, *rotation, Arc::clone(&reopen), on_open)
            .map_err(|source| StartError::File { path: path.clone(), source })?;
        outputs.push(output(settings.format.into(), "log-file", log)?);
    }
    if settings.console {
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let style = match settings.format {
            Format::Text if console::is_journal() => Style::Journal,
            Format::Text if colour => Style::Coloured,
            other => other.into(),
        };
        outputs.push(output(style, "log-console", console::Stderr::default())?);
    }
    let queues = outputs.iter().map(|o| Arc::clone(&o.queue)).collect();
    let (filter, handle) = reload::Layer::new(targets(settings.level));
    let subscriber = tracing_subscriber::registry().with(filter).with(Lines::new(outputs));
    let level = Arc::new(Mutex::new(settings.level));
    Ok((subscriber, LogHandle { filter: handle, level, queues, reopen }))
}

fn output(style: Style, thread: &str, sink: impl queue::Sink) -> Result<Output, StartError> {
    let queue = queue::start(style, thread, sink).map_err(StartError::Thread)?;
    Ok(Output { style, queue })
}

/// What is shown at a level: our own records; tarpc and others only where everything is asked for.
fn targets(level: Level) -> Targets {
    let others = if level == Level::Trace { tracing::Level::TRACE.into() } else { tracing::metadata::LevelFilter::OFF };
    Targets::new()
        .with_target("fsmond", tracing::Level::from(level))
        .with_target("fsmon_core", tracing::Level::from(level))
        .with_target("fsmon_protocol", tracing::Level::from(level))
        .with_default(others)
}

impl LogHandle {
    /// Logs so much from now on: `error`, `warn`, `info`, `debug` or `trace`.
    pub fn set_level(&self, level: &str) -> Result<(), UnknownLevel> {
        let level: Level = level.parse()?;
        // Fails only once the subscriber is gone, and with it every log line.
        let _ = self.filter.reload(targets(level));
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
        Ok(())
    }

    /// How much is logged.
    pub fn level(&self) -> Level {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines that were counted instead of written since the start: too many in a second, queue full, disk full. The
    /// largest number of any one output.
    pub fn dropped(&self) -> u64 {
        self.queues.iter().map(|queue| queue.dropped()).max().unwrap_or(0)
    }

    /// Opens the log file again before the next line, as after somebody moved it away.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// Waits until all that was logged is written, at most so long for all outputs together (a terminal that was
    /// stopped takes nothing). Tells whether it is.
    pub fn flush(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        // Every output, also when one before it was not in time.
        self.queues.iter().map(|queue| queue.flush(end)).fold(true, |all, done| all & done)
    }
}
