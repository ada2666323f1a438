//! Occurrences of the schedule: started, skipped and made up for. An occurrence is a reconcile and then what the
//! schedule runs; it is owed until that is given out, over a pause, a lost root and a restart.

use std::time::Duration;

use fsmon_protocol::event::{Occurrence, OccurrenceStatus, What};
use fsmon_protocol::run::Trigger;
use fsmon_protocol::spec::{CatchUp, OnSchedule};
use fsmon_protocol::units::Timestamp;

use super::Watch;
use super::clocks::Come;
use crate::io::Owed;
use crate::plan::Plan;
use crate::shared::Ctx;
use crate::sweep::Wanted;

/// An occurrence that starts so much later than it should was missed: more than the longest nap of the clocks.
const MISSED: Duration = Duration::from_secs(120);

impl Watch {
    /// An occurrence is due.
    pub(super) fn on_due(&mut self, come: Come, ctx: &mut Ctx<'_>) {
        let Come { due, late } = come;
        let catches_up = self.rules.catch_up == CatchUp::Once;
        let skipped = if late > MISSED && !catches_up {
            OccurrenceStatus::SkippedMissed
        } else if self.occurs(ctx) {
            OccurrenceStatus::SkippedBusy
        } else if self.paused {
            OccurrenceStatus::SkippedPaused
        } else if !self.acts() {
            OccurrenceStatus::SkippedUnable
        } else {
            self.occur(Owed { due, attempts: 0 }, ctx);
            return;
        };
        if catches_up && matches!(skipped, OccurrenceStatus::SkippedPaused | OccurrenceStatus::SkippedUnable) {
            self.clocks.owed = Some(Owed { due, attempts: 0 });
        }
        self.record_occurrence(due, 0, 0, skipped, ctx);
    }

    /// Whether an occurrence is not finished.
    fn occurs(&self, ctx: &Ctx<'_>) -> bool {
        self.once.is_some() || self.clocks.occurrence.is_some_and(|(sweep, _)| ctx.shared.sweeps.runs(sweep))
    }

    /// Starts an occurrence: a reconcile, then what the schedule runs.
    fn occur(&mut self, owed: Owed, ctx: &mut Ctx<'_>) {
        let id = ctx.shared.seq();
        let all = self.rules.on_schedule == OnSchedule::All;
        let wanted = if all { Wanted::All } else { Wanted::Pending };
        ctx.shared.sweeps.begin(id, Trigger::Scheduled, wanted, vec![(self.id, self.name.clone())]);
        self.clocks.occurrence = Some((id, owed.due));
        self.clocks.owed = Some(owed);
        self.want_scan_for(id, &mut ctx.shared.sweeps);
    }

    /// An occurrence's reconcile is done, and so many changes are given out.
    pub(super) fn note_occurrence(&mut self, sweep: u64, looked: u64, pending: u64, ctx: &mut Ctx<'_>) {
        if let Some((_, due)) = self.clocks.occurrence.filter(|&(id, _)| id == sweep) {
            if self.once.is_none() {
                self.clocks.owed = None;
                self.ledger.touch();
            }
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

    /// Makes up for what is owed, as soon as runs may go on.
    pub(super) fn catch_up(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(owed) = self.clocks.owed
            && !self.paused
            && self.acts()
            && !self.occurs(ctx)
        {
            self.occur(owed, ctx);
        }
    }

    /// Another schedule: an interval goes on from the last occurrence, a cron line begins now. What another schedule
    /// owes is forgotten, unless it is under way.
    pub(super) fn replan(&mut self, plan: Plan, ctx: &mut Ctx<'_>) {
        let another = plan != self.plan;
        self.plan = plan;
        if another && matches!(self.plan, Plan::Cron(_)) {
            self.clocks.begin(ctx.now);
        }
        if (another || self.rules.catch_up == CatchUp::None) && !self.occurs(ctx) {
            self.clocks.owed = None;
        }
        if !self.runs_once() {
            self.leave_once(ctx);
        }
        self.set_schedule(ctx);
    }

    /// After a restart: where missed occurrences are not made up for, the rhythm goes on as if they had been.
    pub(super) fn pass_over_missed(&mut self, ctx: &mut Ctx<'_>) {
        let Plan::Every(every) = self.plan else { return };
        let since = self.clocks.since_due(ctx.now);
        if self.rules.catch_up == CatchUp::Once || since < every.saturating_add(MISSED) {
            return;
        }
        let rest = since.as_nanos() % every.as_nanos().max(1);
        let due = self.clocks.pass_over(Duration::from_nanos(u64::try_from(rest).unwrap_or(0)), ctx.now);
        self.record_occurrence(due, 0, 0, OccurrenceStatus::SkippedMissed, ctx);
    }
}
