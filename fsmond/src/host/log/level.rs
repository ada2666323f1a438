//! How much is logged, and how a line looks: the words of the command line, the config and `fsmonctl log-level`.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::line::Style;

/// From which level on records are logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Loss, or a human is needed.
    Error,
    /// Recovered or repaired by ourselves.
    Warn,
    /// One line per event and run.
    #[default]
    Info,
    /// For finding faults.
    Debug,
    /// Everything, other crates' records too.
    Trace,
}

impl Level {
    /// Every level, from the quietest on.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Level> for tracing::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// That is no level.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a log level; there are error, warn, info, debug and trace", fsmon_protocol::path::escape(.0.as_bytes()))]
pub struct UnknownLevel(String);

impl FromStr for Level {
    type Err = UnknownLevel;
    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people: `2026-11-23T18:10:00.123Z  INFO message key=value`.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

impl From<Format> for Style {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}
