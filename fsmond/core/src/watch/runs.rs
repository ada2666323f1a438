//! Runs that have started: what follows from their results.

use fsmon_protocol::event::{EventKind, RunRecord, What};
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::run::{Answer, Outcome, RunStatus};

use super::Watch;
use super::looping::LOOP;
use super::pending::Stage;
use crate::backoff;
use crate::io::{Ack, NodeId, RunEndRow, RunEnded, RunId, RunRow, StoreOp};
use crate::runs::{Aim, Run};
use crate::shared::Ctx;
use crate::sweep::Verdict;
use crate::tree::Flags;

/// sysexits.h: try again later.
const EX_TEMPFAIL: i32 = 75;

impl Watch {
    /// Commands that ran on while nothing defined the watch are those of its files again.
    pub fn adopt_runs(&mut self, ctx: &mut Ctx<'_>) {
        for id in ctx.shared.runs.of(self.id) {
            let Some(run) = ctx.shared.runs.get_mut(id).filter(|run| matches!(run.aim, Aim::File)) else { continue };
            let at = self.tree.resolve(run.rel.as_bytes()).filter(|&at| self.pending.get(at).is_some());
            if let Some(at) = at {
                run.node = self.tree.id(at);
                self.pending.set_stage(at, Stage::Running(id, false), u64::MAX);
            }
        }
    }

    /// A command ended.
    pub fn on_run_ended(&mut self, ended: &RunEnded, ctx: &mut Ctx<'_>) {
        let Some(run) = ctx.shared.runs.get(ended.run) else { return };
        let status = match &ended.outcome {
            Outcome::Exited(0) | Outcome::Answered(Answer::Ok, _) => RunStatus::Ok,
            Outcome::Answered(Answer::Fail, _) => RunStatus::Failed,
            Outcome::Exited(EX_TEMPFAIL) => RunStatus::Later,
            Outcome::Interrupted => RunStatus::Interrupted,
            // Nothing is used up by what fails for all.
            _ if self.breaker.is_open() => RunStatus::Later,
            _ if run.attempt > self.rules.retries && !run.shares_blame() => RunStatus::Failed,
            _ => RunStatus::Retry,
        };
        self.end_run(ended.run, status, Some(ended), ctx);
    }

    /// A command was not started, for want of what has nothing to do with its file.
    pub fn on_run_put_off(&mut self, run: RunId, why: String, ctx: &mut Ctx<'_>) {
        let ended = RunEnded { run, outcome: Outcome::NotStarted(why), ms: 0, output_bytes: 0, output_dropped: 0 };
        self.end_run(run, RunStatus::Later, Some(&ended), ctx);
    }

    /// A command was not started, since its file was gone when it was to be opened.
    pub fn on_run_vanished(&mut self, id: RunId, ctx: &mut Ctx<'_>) {
        self.end_run(id, RunStatus::Vanished, None, ctx);
    }

    /// Records the end of a run and what follows for its files.
    pub(super) fn end_run(&mut self, id: RunId, status: RunStatus, ended: Option<&RunEnded>, ctx: &mut Ctx<'_>) {
        let Some(run) = ctx.shared.runs.remove(id) else { return };
        if run.placed && self.ahead.ended(id) {
            ctx.shared.lent -= 1;
        }
        let ms = ended.map(|e| e.ms);
        let turned = self.note_result(id, status, ctx);
        match &run.aim {
            Aim::Watch(given) => self.end_once(id, &run, given, status, ctx),
            Aim::Batch(given) => self.end_batch(id, &run, given, status, ms, ctx),
            Aim::File | Aim::Line => {}
        }
        let ack = self.rules.puts_away().then_some(Ack::RunEnd(self.id, id));
        store_end(id, &run, status, ended, ack, ctx);
        self.ledger.upto = ctx.shared.next_seq - 1;
        if run.given().is_none() {
            if let Some(ended) = ended.filter(|ended| !matches!(ended.outcome, Outcome::NotStarted(_))) {
                self.ahead.took(ended.ms, self.places(), ctx.now.mono);
            }
            self.end_file(id, run.node, status, ms, ctx);
        }
        if turned {
            self.tell_breaker(ctx);
        }
    }

    /// What follows for one file of a run that took so long; none: it did not begin.
    pub(super) fn end_file(&mut self, id: RunId, node: NodeId, status: RunStatus, ms: Option<u64>, ctx: &mut Ctx<'_>) {
        let Some(at) = self.running_in(id, node, ctx) else { return };
        self.note_recent(at, ms, ctx);
        let attempt = self.pending.get(at).map_or(1, |pending| pending.attempts + 1);
        match status {
            RunStatus::Ok => self.processed(id, at, ctx),
            RunStatus::Vanished if self.tree.node(at).has(Flags::KNOWN) => {
                // Nothing has told so yet: the look before the next attempt shows whether it stays gone.
                self.answer_waiters(at, Verdict::Vanished, ctx);
                self.retry(at, attempt, status, ctx);
            }
            RunStatus::Vanished => self.resolve(at, Verdict::Vanished, ctx),
            RunStatus::Failed => self.set_aside(id, at, attempt, ctx),
            RunStatus::Interrupted => self.pending.set_stage(at, Stage::Settling, ctx.now.mono),
            _ => self.retry(at, attempt, status, ctx),
        }
    }

    /// The place of a file whose run this was, where it has not changed since; one that has runs once more.
    pub(super) fn running_in(&mut self, id: RunId, node: NodeId, ctx: &mut Ctx<'_>) -> Option<u32> {
        let at = self.tree.place(node)?;
        match self.pending.get(at)?.stage {
            Stage::Running(run, false) if run == id => Some(at),
            Stage::Running(run, true) if run == id => {
                self.after_dirty(at, ctx);
                None
            }
            _ => None,
        }
    }

    /// It changed while its run was going: one more run, when it has settled.
    fn after_dirty(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        let known = self.tree.node(at).has(Flags::KNOWN);
        let Some(pending) = self.pending.get_mut(at) else { return };
        pending.attempts = 0;
        pending.sweep = 0;
        pending.own_changes += 1;
        let loops = pending.own_changes >= LOOP;
        self.pending.set_share(at, u32::MAX);
        if loops {
            self.hold_loop(at, ctx);
        }
        let Some(pending) = self.pending.get(at) else { return };
        let wanted = pending.kind != EventKind::Delete || self.wants_kind(EventKind::Delete);
        if known || (wanted && pending.kind == EventKind::Delete) {
            let due = ctx.now.mono.saturating_add(self.quiet_after_write(at));
            self.pending.set_stage(at, Stage::Settling, due);
            self.ledger.dirty(&mut self.tree, at, None);
        } else {
            self.resolve(at, Verdict::Vanished, ctx);
        }
    }

    fn retry(&mut self, at: u32, attempt: u32, status: RunStatus, ctx: &mut Ctx<'_>) {
        let pause = backoff::pause(self.rules.backoff.0, attempt, ctx.shared.random.f64());
        let due = ctx.now.mono.saturating_add(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX));
        // Where files are tried one at a time, those that wait already come first.
        let due = due.max(self.breaker.after().unwrap_or(0));
        let attempts = if status == RunStatus::Later { attempt - 1 } else { attempt };
        self.back_off(at, attempts, due, ctx);
    }

    /// It is tried again then.
    pub(super) fn back_off(&mut self, at: u32, attempts: u32, due: u64, ctx: &mut Ctx<'_>) {
        if let Some(pending) = self.pending.get_mut(at) {
            pending.attempts = attempts;
        }
        // A sweep that is yet to give out tries it again at once, and counts that.
        let later: Vec<u64> = self.sweeps_to_come().collect();
        self.answer_waiters_but(at, &later, Verdict::Failed, ctx);
        self.pending.set_stage(at, Stage::Backoff, due);
        self.ledger.dirty(&mut self.tree, at, self.pending.get(at).and_then(|p| p.seen));
    }

    fn set_aside(&mut self, run: RunId, at: u32, attempt: u32, ctx: &mut Ctx<'_>) {
        if let Some(pending) = self.pending.get_mut(at) {
            pending.attempts = attempt;
        }
        self.answer_waiters(at, Verdict::Failed, ctx);
        self.pending.set_stage(at, Stage::Failed, u64::MAX);
        self.ledger.dirty(&mut self.tree, at, self.pending.get(at).and_then(|p| p.seen));
        self.put_aside(run, at);
    }

    /// Nothing more is to be done for this file.
    pub(super) fn resolve(&mut self, at: u32, verdict: Verdict, ctx: &mut Ctx<'_>) {
        self.answer_waiters(at, verdict, ctx);
        if let Some(pending) = self.pending.remove(at) {
            self.tree.node_mut(at).clear(Flags::PENDING);
            self.ledger.dirty(&mut self.tree, at, pending.seen);
            self.release_if_idle(at);
        }
    }

    pub(super) fn answer_waiters(&mut self, at: u32, verdict: Verdict, ctx: &mut Ctx<'_>) {
        self.answer_waiters_but(at, &[], verdict, ctx);
    }

    /// Tells who waits for this file what came of it, but for those who are told later.
    pub(super) fn answer_waiters_but(&mut self, at: u32, later: &[u64], verdict: Verdict, ctx: &mut Ctx<'_>) {
        for sweep in self.pending.waiters.take_but(at, later) {
            ctx.shared.sweeps.result(sweep, verdict);
        }
    }

    /// What was pending under this name ends with it; a command that runs goes on by itself.
    pub(super) fn forget_pending(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        self.answer_waiters(at, Verdict::Vanished, ctx);
        if self.pending.remove(at).is_some() {
            self.tree.node_mut(at).clear(Flags::PENDING);
        }
    }
}

/// Records a step of a run in the journal.
pub(super) fn record_run(
    id: RunId,
    run: &Run,
    status: RunStatus,
    ended: Option<&RunEnded>,
    ack: Option<Ack>,
    ctx: &mut Ctx<'_>,
) {
    let outcome = ended.map(|e| e.outcome.clone());
    let exit = match outcome {
        Some(Outcome::Exited(code)) => Some(code),
        _ => None,
    };
    let (path, files) = run.told();
    let record = RunRecord {
        run: id,
        trigger: run.trigger,
        status,
        attempt: run.attempt,
        exit,
        ms: ended.map(|e| e.ms),
        path,
        outcome,
        files,
    };
    let seen: Option<Fingerprint> = run.seen;
    ctx.record_for(Some((run.watch, &run.watch_name)), What::Run(record), seen, ack);
}

/// Stores the end of a run, row and record.
pub fn store_end(
    id: RunId,
    run: &Run,
    status: RunStatus,
    ended: Option<&RunEnded>,
    ack: Option<Ack>,
    ctx: &mut Ctx<'_>,
) {
    let failed = matches!(status, RunStatus::Failed | RunStatus::Retry);
    ctx.shared.counters.runs_failed += u64::from(failed);
    let end = RunEndRow {
        run: id,
        status,
        outcome: ended.map(|e| e.outcome.clone()),
        ms: ended.map(|e| e.ms),
        output_bytes: ended.map_or(0, |e| e.output_bytes),
        output_dropped: ended.map_or(0, |e| e.output_dropped),
    };
    ctx.store(StoreOp::RunEnd(end), None);
    record_run(id, run, status, ended, ack, ctx);
}

/// Records the end of a run of which nobody knows how it ended, since the daemon died before it could learn it.
pub fn record_lost(row: &RunRow, ctx: &mut Ctx<'_>) {
    let end = RunEndRow {
        run: row.run,
        status: RunStatus::Lost,
        outcome: None,
        ms: None,
        output_bytes: 0,
        output_dropped: 0,
    };
    ctx.store(StoreOp::RunEnd(end), None);
    let record = RunRecord {
        run: row.run,
        trigger: row.trigger,
        status: RunStatus::Lost,
        attempt: row.attempt,
        exit: None,
        ms: None,
        path: row.path.clone(),
        outcome: None,
        files: row.files,
    };
    ctx.record(Some((row.watch, &row.watch_name)), What::Run(record), None);
}
