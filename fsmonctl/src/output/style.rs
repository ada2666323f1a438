//! The few colours: good, to be looked at, bad, and what stands back. None where nobody asked for colour.

use fsmon_protocol::file::FileState;
use fsmon_protocol::run::RunStatus;
use fsmon_protocol::status::WatchState;

/// Colours words, or leaves them as they are.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    colored: bool,
}

impl Style {
    /// A style that colours, or one that does not.
    pub const fn new(colored: bool) -> Self {
        Self { colored }
    }

    fn paint(self, code: &str, word: &str) -> String {
        if self.colored { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
    }

    /// All is well.
    pub fn good(self, word: &str) -> String {
        self.paint("32", word)
    }

    /// Someone should look.
    pub fn warn(self, word: &str) -> String {
        self.paint("33", word)
    }

    /// Something is wrong.
    pub fn bad(self, word: &str) -> String {
        self.paint("1;31", word)
    }

    /// A heading.
    pub fn bold(self, word: &str) -> String {
        self.paint("1", word)
    }

    /// The state of a watch.
    pub fn state(self, state: WatchState) -> String {
        let word = state.as_str();
        match state {
            WatchState::Watching => self.good(word),
            WatchState::Scanning | WatchState::Paused => self.warn(word),
            WatchState::Degraded | WatchState::Waiting | WatchState::Held | WatchState::Stuck => self.bad(word),
        }
    }

    /// Where a file stands.
    pub fn file(self, state: FileState) -> String {
        let word = state.as_str();
        match state {
            FileState::Failed => self.bad(word),
            FileState::Backoff => self.warn(word),
            FileState::Clean | FileState::Settling | FileState::Ready | FileState::Running => word.to_owned(),
        }
    }

    /// Where a run stands.
    pub fn run(self, status: RunStatus) -> String {
        let word = status.as_str();
        match status {
            RunStatus::Ok => self.good(word),
            RunStatus::Failed | RunStatus::Lost => self.bad(word),
            RunStatus::Retry | RunStatus::Interrupted => self.warn(word),
            RunStatus::Started | RunStatus::Later | RunStatus::Vanished => word.to_owned(),
        }
    }
}
