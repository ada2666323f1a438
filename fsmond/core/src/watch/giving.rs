//! Giving out: what a sweep makes of a watch once its reconcile is done.
//!
//! Until then runs go on: what is pending when the sweep begins, or becomes so, counts for it from that moment on, so that
//! no result is missed by whoever waits for the sweep.

use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::rpc_types::Again;

use super::pending::{Pending, Stage};
use super::{Handle, Watch};
use crate::shared::Ctx;
use crate::sweep::{Sweeps, Verdict, Wanted};
use crate::tree::{Flags, ROOT};

impl Watch {
    /// Makes pending what the sweep runs, and counts it: what is pending, files in back-off at once; with all files every
    /// other one too. Those that were set aside are left alone: a schedule would run them for ever.
    /// Where the command runs for the whole watch, that run is due.
    pub(super) fn give_out(&mut self, sweep: u64, looked: u64, picked: &[Handle], ctx: &mut Ctx<'_>) {
        let Some((trigger, wanted)) = ctx.shared.sweeps.wants(sweep) else { return };
        self.take_back_all(ctx);
        if let Wanted::Again { again, pause, dry_run } = wanted {
            let set_aside = if again == Again::Failed { 0 } else { self.pending.failed() };
            if dry_run {
                let files = self.chosen(again, picked).len() as u64;
                ctx.shared.sweeps.reconciled(sweep, self.id, looked, files, set_aside);
                (0..files).for_each(|_| ctx.shared.sweeps.result(sweep, Verdict::NotRun));
                return;
            }
            self.set_pace(pause, ctx.now.mono);
            let files = self.give_again(sweep, again, picked, ctx);
            ctx.shared.sweeps.reconciled(sweep, self.id, looked, files, set_aside);
            self.excuse_waiters(ctx);
            return;
        }
        if self.runs_once() && !self.rules.command.is_empty() {
            let changes = self.begin_once(sweep, trigger, ctx);
            self.note_occurrence(sweep, looked, changes, ctx);
            ctx.shared.sweeps.reconciled(sweep, self.id, looked, 1, 0);
            return;
        }
        if wanted == Wanted::All && !self.rules.command.is_empty() {
            self.all_pending(sweep, ctx);
        }
        let now = ctx.now.mono;
        let (mut waiting, mut more) = (0, 0);
        for at in self.pending.places() {
            self.put_away_now(at, now);
            let Some(pending) = self.waits_for_run(at) else { continue };
            pending.trigger = pending.trigger.max(trigger);
            let backs_off = pending.stage == Stage::Backoff;
            waiting += 1;
            more += u64::from(self.pending.waiters.join(at, sweep));
            if backs_off {
                self.pending.set_stage(at, Stage::Settling, now);
            }
        }
        self.note_occurrence(sweep, looked, waiting, ctx);
        ctx.shared.sweeps.reconciled(sweep, self.id, looked, more, self.pending.failed());
        self.excuse_waiters(ctx);
    }

    /// Whoever waits for files that wait for the breaker, or for their ready files, is told that they are not run; nobody
    /// knows when they will be.
    pub(super) fn excuse_waiters(&mut self, ctx: &mut Ctx<'_>) {
        let broken = self.breaker.is_open();
        if !broken && self.filter.ready().is_none() {
            return;
        }
        let later: Vec<u64> = self.sweeps_to_come().collect();
        for at in self.pending.places() {
            let Some(pending) = self.pending.get(at) else { continue };
            let idle = pending.stage == Stage::Settling && pending.due == u64::MAX;
            if broken && !matches!(pending.stage, Stage::Running(..)) {
                self.answer_waiters_but(at, &later, Verdict::NotRun, ctx);
            } else if idle && self.missing_ready_file(at).is_some() {
                self.answer_waiters_but(at, &later, Verdict::NotReady, ctx);
            }
        }
    }

    /// A pending file that a sweep can wait for: neither set aside, nor processed and leaving, nor hidden by a mount, nor one
    /// whose turn in a replay is to come.
    fn waits_for_run(&mut self, at: u32) -> Option<&mut Pending> {
        let hidden = self.tree.node(at).has(Flags::HIDDEN);
        self.pending.get_mut(at).filter(|p| !p.stage.is_over() && p.stage != Stage::Paced && !hidden)
    }

    /// What is pending counts for this sweep.
    pub(super) fn join_pending(&mut self, sweep: u64, sweeps: &mut Sweeps) {
        if self.runs_once() || !sweeps.counts_pending(sweep) {
            // There one run counts for all, or only what it gives out itself.
            return;
        }
        let mut joined = 0;
        for at in self.pending.places() {
            joined += u64::from(self.waits_for_run(at).is_some() && self.pending.waiters.join(at, sweep));
        }
        sweeps.joined(sweep, joined);
    }

    /// A file has become pending: it counts for the sweeps whose reconcile is to come.
    pub(super) fn join_sweeps(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        if self.runs_once() {
            return;
        }
        for sweep in self.sweeps_to_come().collect::<Vec<_>>() {
            if ctx.shared.sweeps.counts_pending(sweep)
                && self.pending.get(at).is_some()
                && self.pending.waiters.join(at, sweep)
            {
                ctx.shared.sweeps.joined(sweep, 1);
            }
        }
    }

    /// This watch is left out of a sweep whose reconcile can't be made.
    pub(super) fn leave_sweep(&mut self, sweep: u64, sweeps: &mut Sweeps) {
        sweeps.left(sweep, self.pending.waiters.leave(sweep));
    }

    /// Every known file is pending once more; one that is pending already runs once for both causes.
    fn all_pending(&mut self, sweep: u64, ctx: &mut Ctx<'_>) {
        for at in self.tree.subtree(ROOT) {
            let node = self.tree.node(at);
            let seen = node.has(Flags::KNOWN) && !node.has(Flags::HIDDEN);
            if node.file_type == FileType::File && seen && self.pending_again(at, sweep, ctx.now.mono) {
                self.pending.set_stage(at, Stage::Settling, ctx.now.mono);
            }
        }
        // No record tells of it: what the sweep made pending is stored before the first of its runs starts.
        self.ledger.hurry();
    }
}
