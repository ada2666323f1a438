//! One line on stderr, written over and over, that shows how far something is. On a terminal only.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the cursor stands behind a line that is not ended. Global, since Ctrl-C has to know it too.
static OPEN: AtomicBool = AtomicBool::new(false);

/// The line; taken away when dropped.
pub struct Progress {
    shown: bool,
}

impl Progress {
    /// A line that is shown, or one that is not.
    pub fn new(shown: bool) -> Self {
        Self { shown }
    }

    /// Whether anybody sees it.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// Writes `text`, escaped already, over what stood there before.
    pub fn set(&self, text: &str) {
        if self.shown {
            OPEN.store(true, Ordering::Relaxed);
            // Carriage return, then the text, then erase to the end of the line.
            let mut stderr = io::stderr().lock();
            // A line that wraps could not be written over.
            let width = terminal_size::terminal_size_of(&stderr).map_or(80, |(width, _)| usize::from(width.0));
            let text: String = text.chars().take(width.saturating_sub(1)).collect();
            let _ = write!(stderr, "\r{text}\x1b[K").and_then(|()| stderr.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown && OPEN.swap(false, Ordering::Relaxed) {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// Ends an open line, so that the shell's prompt stands on one of its own.
pub fn leave_line() {
    if OPEN.swap(false, Ordering::Relaxed) {
        let _ = writeln!(io::stderr());
    }
}
