//! What is wrong with a config: every fault with its line.

use std::fmt;
use std::path::{Path, PathBuf};

use fsmon_protocol::path::escape;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; none where the file as a whole is at fault.
    pub line: Option<usize>,
    /// What is wrong there, in one line.
    pub message: String,
}

/// A config that can't be taken. Prints one line for each fault: `FILE:LINE: what is wrong`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Its faults, in the order of their lines. Never empty.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// What the program ends with for it (`EX_CONFIG` of `sysexits.h`).
    pub const EXIT_CODE: u8 = 78;

    /// A fault of the file as a whole.
    pub fn whole(file: &Path, message: String) -> Self {
        Self { file: file.to_owned(), problems: vec![Problem { line: None, message }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&escape(self.file.as_os_str().as_encoded_bytes()))?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            write!(f, ": {}", problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
