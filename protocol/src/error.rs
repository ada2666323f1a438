//! The one error type that crosses the socket, and the exit code each kind of it becomes.

use serde::{Deserialize, Serialize};

/// What sort of refusal or failure it is. Each kind has one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The daemon understood and said no: exit 1.
    Refused,
    /// Nothing of that name: exit 1.
    NotFound,
    /// The request itself was malformed (a bad glob, duration, name): exit 2.
    Usage,
    /// No daemon answers there: exit 3.
    NoDaemon,
    /// It did not happen in time: exit 4.
    TimedOut,
    /// The caller may not do that: exit 5.
    NotPermitted,
    /// A run failed, or something is not healthy: exit 6.
    Unhealthy,
    /// A bug in fsmond or fsmonctl: exit 70.
    Bug,
}

impl ErrorKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NotFound => "not_found",
            Self::Usage => "usage",
            Self::NoDaemon => "no_daemon",
            Self::TimedOut => "timed_out",
            Self::NotPermitted => "not_permitted",
            Self::Unhealthy => "unhealthy",
            Self::Bug => "bug",
        }
    }
}

impl ErrorKind {
    /// The exit code that fsmonctl ends with for this kind.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Refused | Self::NotFound => 1,
            Self::Usage => 2,
            Self::NoDaemon => 3,
            Self::TimedOut => 4,
            Self::NotPermitted => 5,
            Self::Unhealthy => 6,
            Self::Bug => 70,
        }
    }
}

/// A refusal: what is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What sort it is.
    pub kind: ErrorKind,
    /// What is wrong, in one sentence without a final full stop.
    pub message: String,
    /// What to do about it, where there is something.
    pub hint: Option<String>,
}

impl ApiError {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// A [`ErrorKind::Refused`].
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// A [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// A [`ErrorKind::Usage`].
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// A [`ErrorKind::Bug`].
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Bug, message)
    }

    /// The same error with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
