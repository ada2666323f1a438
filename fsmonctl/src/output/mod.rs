//! What people and scripts get to read: results on stdout, everything else on stderr.
//!
//! With `--json` each line of stdout is one object, exact. Without it nothing reaches a terminal that has not been
//! escaped: names of files come from strangers.

mod explain;
mod files;
mod gaps;
pub mod json;
pub mod progress;
pub mod reader;
mod records;
mod status;
mod style;
mod table;
pub mod text;
mod verify;

use std::io::{self, IsTerminal, Write};

use fsmon_protocol::path::tame;
use fsmon_protocol::{ApiError, ErrorKind};
use serde::Serialize;

use crate::args::{Color, Global};
use crate::failure::Failure;
pub use gaps::open_gap;
pub use status::next_occurrence;
pub use style::Style;

/// Where a verb's output goes, and in which form.
pub struct Out {
    json: bool,
    quiet: bool,
    style: Style,
    error_style: Style,
}

impl Out {
    /// As the global options say.
    pub fn new(global: &Global) -> Self {
        let colored = |terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        };
        Self {
            json: global.json,
            quiet: global.quiet,
            style: Style::new(colored(io::stdout().is_terminal()) && !global.json),
            error_style: Style::new(colored(io::stderr().is_terminal()) && !global.json),
        }
    }

    /// Whether results are JSON objects.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// How words are coloured on stdout.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Whether only results and errors are told.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// One line of results, escaped already. Written and flushed at once, so that a reader sees whole lines.
    #[allow(clippy::unused_self, reason = "all output goes through one place")]
    pub fn line(&self, line: &str) -> io::Result<()> {
        let mut whole = String::with_capacity(line.len() + 1);
        whole.push_str(line);
        whole.push('\n');
        self.bytes(whole.as_bytes())
    }

    /// Bytes of results as they are.
    #[allow(clippy::unused_self, reason = "all output goes through one place")]
    pub fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// One object on one line.
    pub fn object(&self, object: &impl Serialize) -> Result<(), Failure> {
        Ok(self.line(&json::line(object)?)?)
    }

    /// Something to know that is no result: on stderr, and not at all with `--quiet`.
    pub fn note(&self, note: &str) {
        if !self.quiet {
            // Where stderr is gone there is nobody to tell.
            let _ = writeln!(io::stderr().lock(), "{note}");
        }
    }

    /// Something a reader must not miss: on stderr, also with `--quiet`; an object of its own kind with `--json`.
    pub fn warning(&self, text: &str, object: &serde_json::Value) {
        let line = if self.json { object.to_string() } else { format!("{} {text}", self.error_style.warn("warning:")) };
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// The line on stderr that shows how far something is; none where nobody looks.
    pub fn progress(&self) -> progress::Progress {
        progress::Progress::new(!self.quiet && !self.json && io::stderr().is_terminal())
    }

    /// Tells why a verb did not end well; returns the exit code.
    pub fn failure(&self, failure: &Failure) -> u8 {
        match failure {
            Failure::ReaderGone => 0,
            Failure::Silent(kind) => kind.exit_code(),
            Failure::Told(error) => {
                if self.json {
                    error_json(error);
                } else {
                    error_text(error, self.error_style);
                }
                error.kind.exit_code()
            }
        }
    }
}

/// An error as one JSON object on stderr.
pub fn error_json(error: &ApiError) {
    let object = serde_json::json!({ "error": error });
    let _ = writeln!(io::stderr().lock(), "{object}");
}

/// An error in one or two sentences on stderr. Names in its message are escaped where it is made; here it is seen to
/// that nothing else reaches the terminal.
pub fn error_text(error: &ApiError, style: Style) {
    let mut told = format!("{} {}", style.bad("error:"), tame(&error.message));
    if let Some(hint) = &error.hint {
        told.push_str("\n  ");
        told.push_str(&tame(hint));
    }
    if error.kind == ErrorKind::Bug {
        told.push_str("\n  this should not happen; please report it");
    }
    let _ = writeln!(io::stderr().lock(), "{told}");
}
