//! When to act without any change: the schedule, the rescan, the search for a lost root.
//!
//! An interval is anchored on the previous due time, so that it does not drift. Within a boot it follows the clock
//! that is never set; across boots what is left of it is taken from the wall clock, and is never more than the whole
//! interval nor less than nothing.

use std::time::Duration;

use fsmon_protocol::event::{Occurrence, OccurrenceStatus, What};
use fsmon_protocol::run::Trigger;
use fsmon_protocol::spec::{Backend, OnSchedule, Rules};
use fsmon_protocol::units::{SpanOrOff, Timestamp};

use super::{Root, Watch};
use crate::io::Now;
use crate::shared::Ctx;

/// The clocks of one watch. All but the timestamps are nanoseconds of the clock that is never set.
#[derive(Debug)]
pub(super) struct Clocks {
    /// The last occurrence, or when the schedule began.
    pub last_due: Timestamp,
    /// A moment of this boot, and how long after the last occurrence it was.
    since_due: Option<(u64, Duration)>,
    next_due: Option<u64>,
    /// The sweep of an occurrence that is not finished.
    occurrence: Option<(u64, Timestamp)>,
    /// An occurrence was skipped while the watch was paused.
    skipped: bool,
    next_rescan: Option<u64>,
    pub last_reconcile: Option<Timestamp>,
    /// No reconcile begins before this.
    pub next_scan: u64,
    pub retry_root: Option<u64>,
}

impl Clocks {
    pub fn new(last_due: Timestamp) -> Self {
        Self {
            last_due,
            since_due: None,
            next_due: None,
            occurrence: None,
            skipped: false,
            next_rescan: None,
            last_reconcile: None,
            next_scan: 0,
            retry_root: None,
        }
    }

    /// The next occurrence follows from the last one and the interval; never later than one interval from now.
    pub fn set_schedule(&mut self, every: SpanOrOff, now: Now) {
        // The wall clock is asked once; from then on it may be set.
        let &mut (then, before) = self.since_due.get_or_insert((now.mono, now.wall.since(self.last_due)));
        let since = before.saturating_add(Duration::from_nanos(now.mono.saturating_sub(then)));
        self.next_due = every.span().map(|every| {
            let left = every.0.saturating_sub(since);
            now.mono.saturating_add(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX))
        });
    }

    /// The next rescan is a whole rescan interval from now; a polled watch, or one with too few watches, has the poll
    /// interval.
    pub fn reset_rescan(&mut self, rules: &Rules, backend: Backend, limited: bool, now: Now) {
        let polls = backend == Backend::Poll || limited;
        let every = if polls { Some(rules.poll_interval) } else { rules.rescan.span() };
        self.next_rescan = every.map(|every| now.mono.saturating_add(every.nanos()));
    }

    /// The next occurrence by the wall clock.
    pub fn next_due_wall(&self, now: Now) -> Option<Timestamp> {
        let left = self.next_due?.saturating_sub(now.mono);
        Some(now.wall.plus(Duration::from_nanos(left)))
    }

    /// The next moment at which one of these is due.
    pub fn deadline(&self, opening: bool) -> Option<u64> {
        [self.next_due.filter(|_| !opening), self.next_rescan].into_iter().flatten().min()
    }
}

impl Watch {
    /// Does what is due by the clock.
    pub(super) fn on_clocks(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now.mono;
        if self.clocks.retry_root.is_some_and(|at| at <= now) {
            self.open(ctx);
        }
        if self.clocks.next_rescan.is_some_and(|at| at <= now) {
            self.clocks.reset_rescan(&self.rules, self.backend(), self.limit.is_some(), ctx.now);
            self.want_scan(None);
        }
        // What comes due while the root is being opened waits for the answer.
        if let Some(due) = self.clocks.next_due.filter(|&at| at <= now && self.root != Root::Opening) {
            self.on_due(due, ctx);
        }
    }

    fn on_due(&mut self, due: u64, ctx: &mut Ctx<'_>) {
        let Some(every) = self.rules.every.span() else {
            self.clocks.next_due = None;
            return;
        };
        // One occurrence for all that were missed; the next keeps the rhythm of this one.
        let missed = ctx.now.mono.saturating_sub(due) / every.nanos().max(1);
        let next = due.saturating_add(every.nanos().saturating_mul(missed + 1));
        let late = ctx.now.mono.saturating_sub(due) - every.nanos().saturating_mul(missed);
        self.clocks.next_due = Some(next);
        self.clocks.last_due = ctx.now.wall.minus(Duration::from_nanos(late));
        self.clocks.since_due = Some((ctx.now.mono, Duration::from_nanos(late)));
        self.ledger.touch();
        let due = self.clocks.last_due;
        if self.paused {
            self.clocks.skipped = true;
            self.record_occurrence(due, 0, 0, OccurrenceStatus::SkippedPaused, ctx);
        } else if !self.acts() {
            self.record_occurrence(due, 0, 0, OccurrenceStatus::SkippedUnable, ctx);
        } else if self.clocks.occurrence.is_some_and(|(sweep, _)| ctx.shared.sweeps.runs(sweep)) {
            self.record_occurrence(due, 0, 0, OccurrenceStatus::SkippedBusy, ctx);
        } else {
            self.occur(due, ctx);
        }
    }

    /// Starts an occurrence: a reconcile, then what the schedule runs.
    fn occur(&mut self, due: Timestamp, ctx: &mut Ctx<'_>) {
        let id = ctx.shared.seq();
        let all = self.rules.on_schedule == OnSchedule::All;
        ctx.shared.sweeps.begin(id, Trigger::Scheduled, all, vec![(self.id, self.name.clone())]);
        self.clocks.occurrence = Some((id, due));
        self.want_scan(Some(id));
    }

    /// An occurrence's reconcile is done.
    pub(super) fn note_occurrence(&mut self, sweep: u64, looked: u64, pending: u64, ctx: &mut Ctx<'_>) {
        if let Some((_, due)) = self.clocks.occurrence.filter(|&(id, _)| id == sweep) {
            self.record_occurrence(due, looked, pending, OccurrenceStatus::Done, ctx);
        }
    }

    fn record_occurrence(
        &mut self,
        due: Timestamp,
        looked: u64,
        pending: u64,
        status: OccurrenceStatus,
        ctx: &mut Ctx<'_>,
    ) {
        let what = What::Schedule(Occurrence { due, looked, pending, status });
        ctx.record(Some((self.id, &self.name)), what, None);
    }

    /// Changes the interval: next = the later of now and the last due time + the new interval.
    pub fn set_schedule(&mut self, ctx: &Ctx<'_>) {
        self.clocks.set_schedule(self.rules.every, ctx.now);
    }

    /// Runs may go on: what was skipped meanwhile is made up for once.
    pub fn catch_up(&mut self, ctx: &mut Ctx<'_>) {
        if std::mem::take(&mut self.clocks.skipped) && self.acts() {
            self.occur(ctx.now.wall, ctx);
        }
    }
}
