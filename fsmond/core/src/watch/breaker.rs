//! `--break-after`: when so many runs in a row have failed, what the command needs is taken to be broken. Then only one
//! file at a time is tried, after pauses that double, until a run succeeds or a person says so. Which file that is, the
//! order of the watch says; this never chooses.
//!
//! What fails meanwhile uses no attempt: an outage, however long, sets no file aside. The price is that nobody can tell
//! an outage from a bad file that is alone, or alone in its lane: that is tried until a person drops it. A file that was
//! tried in vain stands behind those that wait, so that among others a bad one does not keep the breaker open.
//!
//! It is not stored. After a restart everything is tried anew, as if a person had said so.

use std::time::Duration;

use fsmon_protocol::event::WatchChangeStatus;
use fsmon_protocol::explain::Waits;
use fsmon_protocol::run::RunStatus;
use fsmon_protocol::spec::BreakAfter;
use fsmon_protocol::status::Broken;
use fsmon_protocol::units::{Span, Timestamp};

use super::Watch;
use crate::backoff;
use crate::io::{Now, RunId};
use crate::shared::Ctx;

/// How the latest runs of a watch went.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// How many in a row have failed.
    failed: u32,
    open: Option<Open>,
}

/// One file at a time is tried.
#[derive(Debug)]
struct Open {
    since: Timestamp,
    /// How many were tried in vain.
    tried: u32,
    /// The next one not before this; none once that has passed.
    after: Option<u64>,
    /// The one that is being tried.
    probe: Option<RunId>,
}

impl Breaker {
    /// Whether only one file at a time is tried.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether nothing may start now.
    pub fn holds(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.after.is_some() || open.probe.is_some())
    }

    /// When the next file is tried, where that is not yet.
    pub fn after(&self) -> Option<u64> {
        self.open.as_ref()?.after
    }

    /// What it waited for has passed.
    pub fn on_due(&mut self, now: u64) {
        if let Some(open) = &mut self.open {
            open.after = open.after.filter(|&at| at > now);
        }
    }

    /// A run starts.
    pub fn started(&mut self, run: RunId) {
        if let Some(open) = &mut self.open {
            open.probe = Some(run);
        }
    }

    /// A run has ended so; `pause` gives the pause after so many were tried in vain.
    fn ended(&mut self, run: RunId, status: RunStatus, limit: BreakAfter, now: Now, pause: impl FnOnce(u32) -> u64) {
        match status {
            RunStatus::Ok => *self = Self::default(),
            RunStatus::Retry | RunStatus::Failed => self.failed = self.failed.saturating_add(1),
            _ => {}
        }
        match &mut self.open {
            Some(open) if open.probe == Some(run) => {
                open.probe = None;
                // One that vanished, say, tells nothing: the next is tried at once.
                if matches!(status, RunStatus::Retry | RunStatus::Failed | RunStatus::Later) {
                    open.tried = open.tried.saturating_add(1);
                    open.after = Some(now.mono.saturating_add(pause(open.tried + 1)));
                }
            }
            None if matches!(limit, BreakAfter::Runs(most) if self.failed >= most) => {
                let after = Some(now.mono.saturating_add(pause(1)));
                self.open = Some(Open { since: now.wall, tried: 0, after, probe: None });
            }
            Some(_) | None => {}
        }
    }

    /// For those who ask how the watch is.
    pub fn told(&self, now: Now) -> Option<Broken> {
        let open = self.open.as_ref()?;
        let next = open.after.map(|at| now.wall.plus(Duration::from_nanos(at.saturating_sub(now.mono))));
        Some(Broken { failed: self.failed, since: open.since, next })
    }

    /// What a file waits for because of it.
    pub fn waits(&self, now: Now) -> Option<Waits> {
        self.told(now).map(|broken| Waits::Breaker(broken.failed, broken.next))
    }
}

impl Watch {
    /// A run has ended so. Returns whether the breaker turned.
    pub(super) fn note_result(&mut self, run: RunId, status: RunStatus, ctx: &mut Ctx<'_>) -> bool {
        let before = self.breaker.is_open();
        let (first, random) = (self.rules.backoff.0, ctx.shared.random.f64());
        let pause = |attempt| Span(backoff::pause(first, attempt, random)).nanos();
        self.breaker.ended(run, status, self.rules.break_after, ctx.now, pause);
        before != self.breaker.is_open()
    }

    /// Tells that it turned, and whoever waits for runs that are not made now.
    pub(super) fn tell_breaker(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(why) = self.broken(ctx.now) {
            self.note(WatchChangeStatus::Degraded, Some(why), ctx);
            self.excuse_waiters(ctx);
        } else {
            self.note(WatchChangeStatus::Recovered, Some("a run succeeded, so all run again".to_owned()), ctx);
        }
    }

    /// A person says that everything is to be tried again.
    pub fn close_breaker(&mut self, ctx: &mut Ctx<'_>) {
        let was_open = std::mem::take(&mut self.breaker).is_open();
        if was_open {
            self.note(WatchChangeStatus::Recovered, Some("somebody wants all to run again".to_owned()), ctx);
        }
    }

    /// What is said of it while it is open.
    pub(super) fn broken(&self, now: Now) -> Option<String> {
        let Broken { failed, since, next } = self.breaker.told(now)?;
        let runs =
            if failed == 1 { "the last run failed".to_owned() } else { format!("the last {failed} runs failed") };
        let next = next.map_or_else(String::new, |next| format!(", the next at {}", next.for_people()));
        Some(format!(
            "{runs}, so what the command needs seems to be broken; since {} one file at a time is tried{next}; when one \
             succeeds all run again, and `fsmonctl resume {}` lets them run now",
            since.for_people(),
            self.name
        ))
    }
}
