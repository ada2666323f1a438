//! The words that stand in the database for the variants of our enums.
//!
//! They are the words of the contract (`create`, `file_change`, …), so that the tables can be read with any SQLite
//! tool. A word, once released, is never changed.

use fsmon_protocol::event::{EventKind, GapReason, OccurrenceStatus, Origin, ServiceStatus, WatchChangeStatus, Why};
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::run::{Answer, RunStatus, Trigger};
use fsmon_protocol::status::DefinedBy;

/// A value that is stored as a word.
pub(super) trait Word: Sized {
    /// The word for it.
    fn word(self) -> &'static str;
    /// What a word stands for; none for a word that is unknown.
    fn from_word(word: &str) -> Option<Self>;
}

macro_rules! words {
    ($($name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => { $(
        impl Word for $name {
            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
            fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    )+ };
}

words! {
    EventKind { Create = "create", Modify = "modify", Rename = "rename", Delete = "delete", Attrib = "attrib" }
    FileType { File = "file", Dir = "dir", Symlink = "symlink", Other = "other" }
    Origin { Live = "live", Scan = "scan" }
    Why { Ctime = "ctime" }
    GapReason {
        Overflow = "overflow", SourceError = "source_error", Limit = "limit", RootGone = "root_gone", Mount = "mount",
        Down = "down", Unreadable = "unreadable",
    }
    Answer { Ok = "answered_ok", Retry = "answered_retry", Fail = "answered_fail" }
    Trigger { FileChange = "file_change", Recovery = "recovery", Scheduled = "scheduled", Manual = "manual" }
    RunStatus {
        Started = "started", Ok = "ok", Retry = "retry", Failed = "failed", Later = "later",
        Interrupted = "interrupted", Vanished = "vanished", Lost = "lost",
    }
    OccurrenceStatus {
        Done = "done", SkippedBusy = "skipped_busy", SkippedPaused = "skipped_paused",
        SkippedUnable = "skipped_unable", SkippedMissed = "skipped_missed",
    }
    ServiceStatus { Started = "started", Stopped = "stopped", Reloaded = "reloaded" }
    WatchChangeStatus {
        Added = "added", Removed = "removed", Changed = "changed", Waiting = "waiting", Held = "held",
        Degraded = "degraded", Recovered = "recovered", Paused = "paused", Resumed = "resumed", Ready = "ready",
        Retried = "retried", Dropped = "dropped", Accepted = "accepted", Detached = "detached", Attached = "attached",
    }
    DefinedBy { Runtime = "runtime", Config = "config" }
}
