//! Runs: one execution of a handler each.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::path::{RawPath, tame};
use crate::units::Timestamp;

/// Why a run was made. In doubt the first of them: manual, scheduled, recovery, file change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The file changed while the daemon watched.
    FileChange,
    /// The change was found by a look after the daemon had not seen it happen.
    Recovery,
    /// An occurrence of the schedule.
    Scheduled,
    /// `fsmonctl run-now`.
    Manual,
}

impl Trigger {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FileChange => "file_change",
            Self::Recovery => "recovery",
            Self::Scheduled => "scheduled",
            Self::Manual => "manual",
        }
    }
}

/// Where a run stands, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It is recorded and its command is started.
    Started,
    /// Exit 0: the file is processed.
    Ok,
    /// It failed and will be tried again.
    Retry,
    /// It failed for the last time: the file is set aside.
    Failed,
    /// Exit 75, or a failure while the runs of its watch fail one after another: later, without using up an attempt.
    Later,
    /// Our own shutdown ended it; no attempt is used up.
    Interrupted,
    /// The file was gone before the command could be started.
    Vanished,
    /// The daemon died before it could learn the result.
    Lost,
}

impl RunStatus {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ok => "ok",
            Self::Retry => "retry",
            Self::Failed => "failed",
            Self::Later => "later",
            Self::Interrupted => "interrupted",
            Self::Vanished => "vanished",
            Self::Lost => "lost",
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal, which was not ours.
    Signalled(i32),
    /// By us, since it took longer than its timeout.
    TimedOut,
    /// By us, since the daemon stops or a person said so.
    Interrupted,
    /// It could not be started: why.
    NotStarted(String),
    /// A worker answered, perhaps with a message.
    Answered(Answer, Option<String>),
    /// Its worker ended or broke off while it had the file: why.
    WorkerFailed(String),
}

/// What a worker says about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is processed.
    Ok,
    /// It failed and may be tried again.
    Retry,
    /// It failed and is to be set aside at once.
    Fail,
}

impl Answer {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Retry => "retry",
            Self::Fail => "fail",
        }
    }
}

impl Outcome {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Exited(_) => "exited",
            Self::Signalled(_) => "signalled",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
            Self::NotStarted(_) => "not_started",
            Self::Answered(..) => "answered",
            Self::WorkerFailed(_) => "worker_failed",
        }
    }
}

/// For people: `exit 1`, `signal 9`, `timed out`.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit {status}"),
            Self::Signalled(signal) => write!(f, "signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::NotStarted(why) => write!(f, "not started: {}", tame(why)),
            Self::Answered(answer, None) => f.write_str(answer.as_str()),
            Self::Answered(answer, Some(message)) => write!(f, "{}: {}", answer.as_str(), tame(message)),
            Self::WorkerFailed(why) => write!(f, "worker failed: {}", tame(why)),
        }
    }
}

/// One run, as `fsmonctl runs` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The run's number.
    pub run: u64,
    /// The watch's name.
    pub watch: Arc<str>,
    /// The file it ran for.
    pub path: Option<RawPath>,
    /// Why it was made.
    pub trigger: Trigger,
    /// Which attempt at this version of the file, from 1.
    pub attempt: u32,
    /// Where it stands.
    pub status: RunStatus,
    /// How the command ended, once it has.
    pub outcome: Option<Outcome>,
    /// When it started.
    pub started: Timestamp,
    /// How long it took, in milliseconds, once ended.
    pub ms: Option<u64>,
    /// How many bytes of output are kept.
    pub output_bytes: u64,
    /// How many bytes of output were more than is kept, and dropped.
    pub output_dropped: u64,
    /// The same for every attempt at the same version of the same file.
    pub event_id: String,
    /// How many files it was given, where it is not for one file alone.
    pub files: Option<u64>,
}
