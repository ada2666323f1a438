//! From "it changed" to "it is processed": settling, checking, starting, and what follows from a result.

use std::sync::Arc;

use fsmon_protocol::RawPath;
use fsmon_protocol::event::{EventKind, Origin, RunRecord, What};
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::run::{Outcome, RunStatus, Trigger};

use super::Watch;
use super::pending::{Pending, Stage, merge};
use super::suspects::When;
use super::tell::Learnt;
use crate::backoff;
use crate::ident::event_id;
use crate::io::{Ack, Effect, Now, RunEndRow, RunEnded, RunId, RunRow, SpawnRequest, Stat, StoreOp};
use crate::judge::Told;
use crate::shared::{Ctx, Run};
use crate::sweep::Verdict;
use crate::tree::Flags;

/// A file found by a scan, of which nobody knows whether it is still being written, must look the same twice, this
/// far apart.
const TWICE: u64 = 2_000_000_000;
/// sysexits.h: try again later.
const EX_TEMPFAIL: i32 = 75;

impl Watch {
    /// A file changed, as seen by `stat`.
    pub(super) fn now_pending(
        &mut self,
        at: u32,
        kind: EventKind,
        from: Option<RawPath>,
        learnt: Learnt,
        stat: &Stat,
        ctx: &mut Ctx<'_>,
    ) {
        if stat.file_type != FileType::File {
            return;
        }
        let now = ctx.now.mono;
        let due = now.saturating_add(if self.tree.node(at).has(Flags::OPEN) {
            self.rules.open_quiet.nanos()
        } else if learnt.origin == Origin::Live {
            self.rules.settle.nanos()
        } else {
            self.quiet_after_scan(Some(&stat.fingerprint), ctx.now)
        });
        if self.changed(at, kind, from, learnt.trigger, ctx)
            && let Some(pending) = self.pending.get_mut(at)
        {
            pending.seen = Some(stat.fingerprint);
            let ceiling = self.rules.max_wait.span().map_or(u64::MAX, |w| pending.since.saturating_add(w.nanos()));
            self.settle_until(at, due.min(ceiling.max(now)));
        }
    }

    /// How long something that was found by looking must stay as it is: not at all if its last write is known to be
    /// long ago.
    pub(super) fn quiet_after_scan(&self, seen: Option<&Fingerprint>, now: Now) -> u64 {
        let quiet = i128::from(self.rules.open_quiet.nanos());
        let old = seen.is_some_and(|seen| i128::from(now.wall.0) - i128::from(seen.mtime) >= quiet);
        if old { 0 } else { TWICE }
    }

    /// A file changed in a way that shows no new content: a folder above it was renamed.
    pub(super) fn pending_unseen(
        &mut self,
        at: u32,
        kind: EventKind,
        from: Option<RawPath>,
        trigger: Trigger,
        ctx: &mut Ctx<'_>,
    ) {
        if self.changed(at, kind, from, trigger, ctx) {
            let quiet = if self.tree.node(at).has(Flags::OPEN) { self.rules.open_quiet } else { self.rules.settle };
            self.settle_until(at, ctx.now.mono.saturating_add(quiet.nanos()));
        }
    }

    /// A known file is gone.
    pub(super) fn gone_pending(&mut self, at: u32, trigger: Trigger, ctx: &mut Ctx<'_>) {
        if self.changed(at, EventKind::Delete, None, trigger, ctx) {
            if let Some(pending) = self.pending.get_mut(at) {
                pending.seen = None;
            }
            self.settle_until(at, ctx.now.mono.saturating_add(self.rules.settle.nanos()));
        }
    }

    /// Merges a change into what is pending. Returns whether something is pending now.
    fn changed(
        &mut self,
        at: u32,
        kind: EventKind,
        from: Option<RawPath>,
        trigger: Trigger,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        if self.rules.command.is_empty() {
            return false;
        }
        let wanted = self.rules.kinds.contains(&kind);
        let Some(pending) = self.pending.get_mut(at) else {
            if wanted {
                self.pending.insert(at, Pending { from, ..Pending::new(kind, trigger, ctx.now.mono) });
                self.tree.node_mut(at).set(Flags::PENDING);
            }
            return wanted;
        };
        if let Stage::Running(run, _) = pending.stage {
            // The run is for what was; what comes after it is one more, from the first attempt on.
            (pending.kind, pending.from, pending.trigger) = (kind, from, trigger);
            self.pending.set_stage(at, Stage::Running(run, true), u64::MAX);
            return true;
        }
        let merged = merge(pending.kind, kind).filter(|&k| k != EventKind::Delete || wanted);
        let Some(merged) = merged else {
            self.resolve(at, Verdict::Vanished, ctx);
            return false;
        };
        pending.kind = merged;
        pending.attempts = 0;
        pending.trigger = pending.trigger.max(trigger);
        if from.is_some() {
            pending.from = from;
        }
        true
    }

    /// Lets a pending file settle until then; one that runs goes on.
    fn settle_until(&mut self, at: u32, due: u64) {
        if self.pending.get(at).is_some_and(|p| !matches!(p.stage, Stage::Running(..))) {
            self.pending.set_stage(at, Stage::Settling, due);
        }
    }

    /// What has settled, or waited long enough, is looked at once more before it runs.
    pub(super) fn on_pending_due(&mut self, ctx: &mut Ctx<'_>) {
        if !self.acts() {
            return;
        }
        for at in self.pending.take_due(ctx.now.mono) {
            let Some(stage) = self.pending.get(at).map(|p| p.stage) else { continue };
            if matches!(stage, Stage::Settling | Stage::Backoff) {
                self.pending.set_stage(at, Stage::Checking, u64::MAX);
                self.suspect(at, Told::CHECK, When::Now, ctx);
            }
        }
    }

    /// The look before a run saw what the journal has told.
    pub(super) fn checked(&mut self, at: u32, stat: Stat, ctx: &mut Ctx<'_>) {
        let Some(pending) = self.pending.get_mut(at).filter(|p| p.stage == Stage::Checking) else { return };
        pending.seen = Some(stat.fingerprint);
        if !self.filter.size_ok(stat.fingerprint.size) {
            self.resolve(at, Verdict::Vanished, ctx);
        } else {
            self.pending.set_stage(at, Stage::Ready, u64::MAX);
        }
    }

    /// The look before a run saw no file, as was known: a deletion is ready for its run.
    pub(super) fn checked_gone(&mut self, at: u32) {
        if self.pending.get(at).is_some_and(|p| p.stage == Stage::Checking && p.kind == EventKind::Delete) {
            self.pending.set_stage(at, Stage::Ready, u64::MAX);
        }
    }

    /// A file that is written all the time is taken once it has waited for `max-wait`.
    pub(super) fn take_after_ceiling(&mut self, at: u32, stat: Stat, ctx: &mut Ctx<'_>) {
        let Some(wait) = self.rules.max_wait.span() else { return };
        let waited = self.pending.get(at).is_some_and(|p| {
            !matches!(p.stage, Stage::Running(..)) && p.since.saturating_add(wait.nanos()) <= ctx.now.mono
        });
        if waited && self.filter.size_ok(stat.fingerprint.size) {
            self.pending.set_stage(at, Stage::Ready, u64::MAX);
        }
    }

    /// Checks that were under way when the source closed are made again once it is back.
    pub(super) fn settle_checks(&mut self, ctx: &Ctx<'_>) {
        for at in self.pending.places() {
            if self.pending.get(at).is_some_and(|p| p.stage == Stage::Checking) {
                self.pending.set_stage(at, Stage::Settling, ctx.now.mono);
            }
        }
    }

    /// Starts one run, if one is ready and may. Returns whether it did.
    pub fn start_one(&mut self, ctx: &mut Ctx<'_>) -> bool {
        if self.paused || !self.acts() || self.pending.running() >= self.rules.concurrency || !ctx.shared.may_start() {
            return false;
        }
        let Some(at) = self.pending.take_ready() else { return false };
        let Some(pending) = self.pending.get(at) else { return false };
        let rel = RawPath::from(self.tree.path(at));
        let run = ctx.shared.next_run;
        ctx.shared.next_run += 1;
        let started = Run {
            watch: self.id,
            watch_name: Arc::clone(&self.name),
            node: self.tree.id(at),
            path: self.root_path.join(rel.as_bytes()),
            kind: pending.kind,
            from: pending.from.clone(),
            trigger: pending.trigger,
            attempt: pending.attempts + 1,
            event_id: event_id(self.id, rel.as_bytes(), pending.kind, pending.seen.as_ref(), pending.sweep),
            seen: pending.seen,
            rel,
            seq: ctx.shared.next_seq,
            spawned: false,
        };
        let row = RunRow {
            run,
            watch: self.id,
            watch_name: Arc::clone(&self.name),
            path: Some(started.path.clone()),
            trigger: started.trigger,
            attempt: started.attempt,
            started: ctx.now.wall,
            event_id: started.event_id.clone(),
        };
        ctx.store(StoreOp::RunStart(row), Some(Ack::RunStart(self.id, run)));
        record_run(run, &started, RunStatus::Started, None, None, ctx);
        self.ledger.upto = started.seq;
        ctx.shared.counters.runs += 1;
        ctx.shared.runs.insert(run, started);
        self.pending.set_stage(at, Stage::Running(run, false), u64::MAX);
        true
    }

    /// The start of a run is recorded: its command may start, unless its file is gone by now.
    pub fn on_run_recorded(&mut self, id: RunId, ctx: &mut Ctx<'_>) {
        let Some(run) = ctx.shared.runs.get_mut(&id).filter(|run| !run.spawned) else { return };
        let there = self.tree.place(run.node).is_some_and(|at| self.tree.node(at).has(Flags::KNOWN));
        if ctx.shared.stopping || (!there && run.kind != EventKind::Delete) {
            let outcome = if ctx.shared.stopping { RunStatus::Interrupted } else { RunStatus::Vanished };
            self.end_run(id, outcome, None, None, ctx);
            return;
        }
        run.spawned = true;
        ctx.out.push(Effect::Spawn(Box::new(SpawnRequest {
            run: id,
            watch: self.id,
            watch_name: Arc::clone(&self.name),
            root: self.root_path.clone(),
            rel: run.rel.clone(),
            from: run.from.clone(),
            kind: run.kind,
            trigger: run.trigger,
            attempt: run.attempt,
            event_id: run.event_id.clone(),
            size: run.seen.map(|f| f.size),
            seq: run.seq,
            time: ctx.now.wall,
            rules: Arc::clone(&self.rules),
        })));
    }

    /// A command ended.
    pub fn on_run_ended(&mut self, ended: &RunEnded, ctx: &mut Ctx<'_>) {
        let Some(attempt) = ctx.shared.runs.get(&ended.run).map(|r| r.attempt) else { return };
        let status = match &ended.outcome {
            Outcome::Exited(0) => RunStatus::Ok,
            Outcome::Exited(EX_TEMPFAIL) => RunStatus::Later,
            Outcome::Interrupted => RunStatus::Interrupted,
            _ if attempt > self.rules.retries => RunStatus::Failed,
            _ => RunStatus::Retry,
        };
        self.end_run(ended.run, status, Some(ended), None, ctx);
    }

    /// Records the end of a run and what follows for its file.
    fn end_run(&mut self, id: RunId, status: RunStatus, ended: Option<&RunEnded>, at: Option<u32>, ctx: &mut Ctx<'_>) {
        let Some(run) = ctx.shared.runs.remove(&id) else { return };
        store_end(id, &run, status, ended, ctx);
        self.ledger.upto = ctx.shared.next_seq - 1;
        let Some(at) = at.or_else(|| self.tree.place(run.node)) else { return };
        let Some(&Stage::Running(current, dirty)) = self.pending.get(at).map(|p| &p.stage) else { return };
        if current != id {
            return;
        }
        if dirty {
            self.after_dirty(at, ctx);
            return;
        }
        match status {
            RunStatus::Ok => self.resolve(at, Verdict::Ok, ctx),
            RunStatus::Vanished => self.resolve(at, Verdict::Vanished, ctx),
            RunStatus::Failed => self.set_aside(at, run.attempt, ctx),
            RunStatus::Interrupted => self.pending.set_stage(at, Stage::Settling, ctx.now.mono),
            _ => self.retry(at, run.attempt, status, ctx),
        }
    }

    /// It changed while its run was going: one more run, when it has settled.
    fn after_dirty(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        let known = self.tree.node(at).has(Flags::KNOWN);
        let Some(pending) = self.pending.get_mut(at) else { return };
        pending.attempts = 0;
        pending.sweep = 0;
        let wanted = pending.kind != EventKind::Delete || self.rules.kinds.contains(&EventKind::Delete);
        if known || (wanted && pending.kind == EventKind::Delete) {
            let quiet = if self.tree.node(at).has(Flags::OPEN) { self.rules.open_quiet } else { self.rules.settle };
            self.pending.set_stage(at, Stage::Settling, ctx.now.mono.saturating_add(quiet.nanos()));
            self.ledger.dirty(&mut self.tree, at, None);
        } else {
            self.resolve(at, Verdict::Vanished, ctx);
        }
    }

    fn retry(&mut self, at: u32, attempt: u32, status: RunStatus, ctx: &mut Ctx<'_>) {
        let pause = backoff::pause(self.rules.backoff.0, attempt, ctx.shared.random.f64());
        let due = ctx.now.mono.saturating_add(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX));
        if let Some(pending) = self.pending.get_mut(at) {
            pending.attempts = if status == RunStatus::Later { attempt - 1 } else { attempt };
        }
        self.answer_waiters(at, Verdict::Failed, ctx);
        self.pending.set_stage(at, Stage::Backoff, due);
        self.ledger.dirty(&mut self.tree, at, self.pending.get(at).and_then(|p| p.seen));
    }

    fn set_aside(&mut self, at: u32, attempt: u32, ctx: &mut Ctx<'_>) {
        if let Some(pending) = self.pending.get_mut(at) {
            pending.attempts = attempt;
        }
        self.answer_waiters(at, Verdict::Failed, ctx);
        self.pending.set_stage(at, Stage::Failed, u64::MAX);
        self.ledger.dirty(&mut self.tree, at, self.pending.get(at).and_then(|p| p.seen));
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

    fn answer_waiters(&mut self, at: u32, verdict: Verdict, ctx: &mut Ctx<'_>) {
        let waiters = self.pending.get_mut(at).map(|p| std::mem::take(&mut p.waiters)).unwrap_or_default();
        for sweep in waiters {
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
fn record_run(id: RunId, run: &Run, status: RunStatus, exit: Option<i32>, ms: Option<u64>, ctx: &mut Ctx<'_>) {
    let record = RunRecord {
        run: id,
        trigger: run.trigger,
        status,
        attempt: run.attempt,
        exit,
        ms,
        path: Some(run.path.clone()),
    };
    let seen: Option<Fingerprint> = run.seen;
    ctx.record(Some((run.watch, &run.watch_name)), What::Run(record), seen);
}

/// Stores the end of a run, row and record.
pub fn store_end(id: RunId, run: &Run, status: RunStatus, ended: Option<&RunEnded>, ctx: &mut Ctx<'_>) {
    let failed = matches!(status, RunStatus::Failed | RunStatus::Retry);
    ctx.shared.counters.runs_failed += u64::from(failed);
    let exit = ended.and_then(|e| match e.outcome {
        Outcome::Exited(code) => Some(code),
        _ => None,
    });
    let end = RunEndRow {
        run: id,
        status,
        outcome: ended.map(|e| e.outcome.clone()),
        ms: ended.map(|e| e.ms),
        output_bytes: ended.map_or(0, |e| e.output_bytes),
        output_dropped: ended.map_or(0, |e| e.output_dropped),
    };
    ctx.store(StoreOp::RunEnd(end), None);
    record_run(id, run, status, exit, ended.map(|e| e.ms), ctx);
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
    };
    ctx.record(Some((row.watch, &row.watch_name)), What::Run(record), None);
}
