//! Why the daemon does not start or go on: one text for people and one exit code.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use fsmon_protocol::ApiError;

use crate::host::chain::chain;
use crate::host::config::ConfigError;

/// A failure. Its text is complete: what is wrong, why, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    /// What the program ends with. Never 0.
    pub code: u8,
    /// One line, or one for each fault of a config.
    pub text: String,
}

impl Failure {
    /// With exit code 1.
    pub fn new(text: impl Into<String>) -> Self {
        Self { code: 1, text: text.into() }
    }

    /// An error with all that caused it.
    #[allow(clippy::needless_pass_by_value, reason = "for map_err")]
    pub fn of(error: impl Error + 'static) -> Self {
        Self::new(chain(&error))
    }

    /// What could not be done, and the error with all that caused it.
    pub fn because(what: &str, error: &(dyn Error + 'static)) -> Self {
        Self::new(format!("{what}: {}", chain(error)))
    }

    /// Says it where the program was called, and gives the code.
    pub fn said_on_stderr(&self) -> ExitCode {
        // There is nowhere else to say that stderr is closed.
        let _ = writeln!(std::io::stderr(), "fsmond: {}", self.text);
        ExitCode::from(self.code)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self { code: error.kind.exit_code(), text: sentence(&error) }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self { code: ConfigError::EXIT_CODE, text: error.to_string() }
    }
}

/// An error of the protocol with its hint, on one line.
pub fn sentence(error: &ApiError) -> String {
    match &error.hint {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message.clone(),
    }
}
