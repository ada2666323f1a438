//! The words that options of a watch can take, each with its meaning. Never anything that is a number or a text.

use serde::{Deserialize, Serialize};

/// What to do with files that are already there when the watch is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// They are taken as done.
    #[default]
    Skip,
    /// They are pending.
    Run,
}

impl Existing {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Run => "run",
        }
    }
}

/// What an occurrence of the schedule runs, after it has reconciled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnSchedule {
    /// What is pending.
    #[default]
    Pending,
    /// Every matching file once more.
    All,
    /// The command once, for all that changed since it last succeeded.
    Once,
}

impl OnSchedule {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::All => "all",
            Self::Once => "once",
        }
    }
}

/// What becomes of occurrences that were missed: while the daemon was not running, the machine slept, or the watch was
/// paused or could not act.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// Nothing: the next one is soon enough.
    None,
    /// One is made up for, however many they were.
    #[default]
    Once,
}

impl CatchUp {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Once => "once",
        }
    }
}

/// What one run of a command is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One file.
    #[default]
    Each,
    /// Many files.
    Batch,
    /// As many as there are: processes that stay are given a line for each file.
    Worker,
}

impl Mode {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Batch => "batch",
            Self::Worker => "worker",
        }
    }
}

/// Which of the files that are ready starts first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The one that has been so for longest.
    #[default]
    Arrival,
    /// The first by its path, byte by byte.
    Name,
    /// The one that was written before the others.
    Mtime,
}

impl Order {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arrival => "arrival",
            Self::Name => "name",
            Self::Mtime => "mtime",
        }
    }
}

/// By what a changed file is told from what was processed of it last: where it is the same, nothing is run for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dedupe {
    /// By nothing: every change runs the command.
    #[default]
    Off,
    /// By its size and the time of its last modification.
    Meta,
    /// By a hash of its content.
    Content,
}

impl Dedupe {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Meta => "meta",
            Self::Content => "content",
        }
    }
}

/// What a command gets on stdin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stdin {
    /// Nothing: `/dev/null`.
    #[default]
    None,
    /// The event as one JSON line.
    Json,
}

impl Stdin {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Json => "json",
        }
    }
}

/// How changes of a watch are seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// What fits the mount.
    #[default]
    Auto,
    /// The kernel's inotify (Linux).
    Inotify,
    /// The portable `notify` crate.
    Notify,
    /// Scanning every `poll-interval`.
    Poll,
}

impl Backend {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Inotify => "inotify",
            Self::Notify => "notify",
            Self::Poll => "poll",
        }
    }
}
