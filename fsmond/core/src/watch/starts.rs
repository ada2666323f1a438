//! Starts: which file is next, that its start is recorded, and that its command begins once that is durable and there is a
//! place for it. Those without a place are the business of `ahead`.

use std::sync::Arc;

use fsmon_protocol::RawPath;
use fsmon_protocol::event::EventKind;
use fsmon_protocol::run::RunStatus;

use super::Watch;
use super::pending::Stage;
use super::runs::record_run;
use crate::ident::event_id;
use crate::io::{Ack, Effect, RunId, RunRow, SpawnRequest, StoreOp};
use crate::runs::{Aim, Run};
use crate::shared::Ctx;
use crate::tree::Flags;

impl Watch {
    /// Whether runs may start now, where there are places for them.
    pub(super) fn may_start(&self, ctx: &Ctx<'_>) -> bool {
        !self.is_stopped() && ctx.shared.may_start()
    }

    /// Whether nothing of this watch may start now.
    pub(super) fn is_stopped(&self) -> bool {
        self.paused || self.looping.is_some() || self.breaker.holds() || !self.acts()
    }

    /// Starts one run, if one is ready and may. Returns whether it did.
    pub fn start_one(&mut self, ctx: &mut Ctx<'_>) -> bool {
        if !self.may_start(ctx) || !self.has_place(ctx) {
            return false;
        }
        if let Some(run) = self.ahead.next() {
            self.give_place(run, ctx);
            return true;
        }
        if self.runs_once() {
            return self.start_once(ctx);
        }
        if self.batches() {
            return self.start_batch(ctx);
        }
        self.record_next(true, ctx).is_some()
    }

    /// Records the start of the next file that is ready; `placed` says whether there is a place for it.
    pub(super) fn record_next(&mut self, placed: bool, ctx: &mut Ctx<'_>) -> Option<RunId> {
        let at = self.next_ready(ctx.now.mono)?;
        let rel = RawPath::from(self.tree.path(at));
        let path = self.root_path.join(rel.as_bytes());
        if ctx.shared.runs.has(self.id, &path) || self.lane_runs(at, ctx) {
            // A file that was renamed away still has its run under this path, or in this lane: never two at once.
            self.now_ready(at, ctx.now);
            return None;
        }
        let pending = self.pending.get(at)?;
        let run = ctx.shared.next_run;
        let started = Run {
            watch: self.id,
            watch_name: Arc::clone(&self.name),
            node: self.tree.id(at),
            path,
            kind: pending.kind,
            from: pending.path_before(),
            trigger: pending.trigger,
            attempt: pending.attempts + 1,
            event_id: event_id(self.id, rel.as_bytes(), pending.kind, pending.seen.as_ref(), pending.sweep),
            seen: pending.seen,
            rel,
            seq: ctx.shared.next_seq,
            placed,
            recorded: false,
            aim: if self.has_workers() { Aim::Line } else { Aim::File },
        };
        self.record_start(started, ctx);
        self.pending.set_stage(at, Stage::Running(run, false), u64::MAX);
        Some(run)
    }

    /// Records the start of the next run.
    pub(super) fn record_start(&mut self, started: Run, ctx: &mut Ctx<'_>) {
        let run = ctx.shared.next_run;
        ctx.shared.next_run += 1;
        if started.placed {
            self.give(run, ctx);
        }
        self.begin_processing(&started, ctx.now.mono);
        let (path, files) = started.told();
        let row = RunRow {
            run,
            watch: self.id,
            watch_name: Arc::clone(&self.name),
            path,
            trigger: started.trigger,
            attempt: started.attempt,
            started: ctx.now.wall,
            event_id: started.event_id.clone(),
            files,
        };
        ctx.store(StoreOp::RunStart(row), Some(Ack::RunStart(self.id, run)));
        record_run(run, &started, RunStatus::Started, None, None, ctx);
        self.ledger.upto = started.seq;
        ctx.shared.runs.insert(run, started);
    }

    /// The start of a run is recorded.
    pub fn on_run_recorded(&mut self, id: RunId, ctx: &mut Ctx<'_>) {
        let Some(run) = ctx.shared.runs.get_mut(id).filter(|run| !run.recorded) else { return };
        run.recorded = true;
        if run.placed {
            self.begin_run(id, ctx);
        }
    }

    /// There is a place for a run that was recorded ahead.
    fn give_place(&mut self, id: RunId, ctx: &mut Ctx<'_>) {
        self.give(id, ctx);
        if ctx.shared.runs.place(id) {
            self.begin_run(id, ctx);
        }
    }

    /// A run has its place and is recorded: its command starts, unless its file is gone by now, or the watch has other runs.
    fn begin_run(&mut self, id: RunId, ctx: &mut Ctx<'_>) {
        let Some(wanted) = ctx.shared.runs.get(id).map(|run| self.still_makes(run)) else { return };
        if ctx.shared.stopping || !wanted {
            self.end_run(id, RunStatus::Interrupted, None, ctx);
            return;
        }
        if self.is_being_written(id, ctx) || (self.is_lent(id) && (self.has_news(id, ctx) || !self.may_start(ctx))) {
            self.taken_back(id, ctx);
            return;
        }
        let there = self.leave_out_vanished(id, ctx);
        let Some(run) = ctx.shared.runs.get(id) else { return };
        let known = || self.tree.place(run.node).is_some_and(|at| self.tree.node(at).has(Flags::KNOWN));
        if !there || (run.given().is_none() && run.kind != EventKind::Delete && !known()) {
            self.end_run(id, RunStatus::Vanished, None, ctx);
            return;
        }
        ctx.shared.counters.runs += 1;
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
            manifest: run.given().map(|given| Arc::clone(&given.manifest)),
        })));
    }

    /// Whether the file of a run has changed since.
    fn has_news(&self, id: RunId, ctx: &Ctx<'_>) -> bool {
        self.file_of(id, ctx)
            .and_then(|at| self.pending.get(at))
            .is_none_or(|pending| pending.stage != Stage::Running(id, false))
    }

    /// The file of a run.
    fn file_of(&self, id: RunId, ctx: &Ctx<'_>) -> Option<u32> {
        ctx.shared.runs.get(id).and_then(|run| self.tree.place(run.node))
    }

    /// Whether the file of a run was written since, and is still open.
    fn is_being_written(&self, id: RunId, ctx: &Ctx<'_>) -> bool {
        self.file_of(id, ctx).is_some_and(|at| {
            let stage = self.pending.get(at).map(|pending| pending.stage);
            stage == Some(Stage::Running(id, true)) && self.tree.node(at).has(Flags::OPEN)
        })
    }

    /// Whether it still makes runs of this sort.
    fn still_makes(&self, run: &Run) -> bool {
        match run.aim {
            Aim::Watch(_) => self.runs_once(),
            Aim::Batch(_) => self.batches(),
            Aim::Line => self.has_workers(),
            Aim::File => !self.runs_once() && !self.batches() && !self.has_workers(),
        }
    }
}
