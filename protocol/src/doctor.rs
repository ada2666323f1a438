//! What `doctor` finds.

use serde::{Deserialize, Serialize};

/// How it is with one thing that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Well,
    /// Worth knowing: it may be meant so.
    Note,
    /// It stands in the way.
    Bad,
}

impl Verdict {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Note => "note",
            Self::Bad => "bad",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What was looked at, in a word.
    pub topic: String,
    /// Of which watch; none: of the daemon.
    pub watch: Option<String>,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do about it, where there is something.
    pub cure: Option<String>,
}

impl Finding {
    fn new(verdict: Verdict, topic: &str, message: String, cure: Option<String>) -> Self {
        Self { verdict, topic: topic.into(), watch: None, message, cure }
    }

    /// As it should be.
    pub fn well(topic: &str, message: impl Into<String>) -> Self {
        Self::new(Verdict::Well, topic, message.into(), None)
    }

    /// Worth knowing, and what could be done about it.
    pub fn note(topic: &str, message: impl Into<String>, cure: Option<String>) -> Self {
        Self::new(Verdict::Note, topic, message.into(), cure)
    }

    /// In the way, and what to do about it.
    pub fn bad(topic: &str, message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(Verdict::Bad, topic, message.into(), Some(cure.into()))
    }

    /// The same, of this watch.
    #[must_use]
    pub fn of(mut self, watch: &str) -> Self {
        self.watch = Some(watch.into());
        self
    }
}
