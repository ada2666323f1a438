//! Why a verb did not end well: what is said about it, and the exit code.

use std::io;

use fsmon_protocol::{ApiError, ErrorKind};

/// Why a verb did not end well.
#[derive(Debug)]
pub enum Failure {
    /// An error to be told.
    Told(ApiError),
    /// All has been said already; only the exit code is left.
    Silent(ErrorKind),
    /// Nobody reads our output any more: end quietly, as a filter does.
    ReaderGone,
}

impl Failure {
    /// A bug in fsmonctl or in what it stands on.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::Told(ApiError::bug(message))
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Told(error)
    }
}

/// An I/O error here is always one of writing our output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::Told(ApiError::refused(format!("cannot write the output: {error}")))
    }
}
