//! `--mode batch`: one run for many files. A batch is made of files that are ready, when there are enough of them or
//! the first has waited long enough. One that fails is made again in halves, so that a bad file ends alone.

use std::sync::Arc;

use fsmon_protocol::RawPath;
use fsmon_protocol::event::EventKind;
use fsmon_protocol::run::{RunStatus, Trigger};
use fsmon_protocol::spec::{Mode, Rules};

use super::Watch;
use super::pending::Stage;
use crate::backoff;
use crate::ident::{batch_id, event_id};
use crate::io::{Change, NodeId, Now, RunId};
use crate::runs::{Aim, Given, Run};
use crate::shared::Ctx;
use crate::template;
use crate::tree::Flags;

/// So many bytes of paths are given as arguments at most, the pointers to them included: a quarter of what Linux takes
/// by default, and half of what the BSDs do.
const PATHS: usize = 256 * 1024;
/// A pointer and the byte that ends an argument.
const PER_ARGUMENT: usize = 9;

impl Watch {
    /// Whether its runs are for many files.
    pub(super) fn batches(&self) -> bool {
        self.rules.mode == Mode::Batch
    }

    /// A file may run. In a batch it waits for others.
    pub(super) fn now_ready(&mut self, at: u32, now: Now) {
        let due = if self.batches() { now.mono.saturating_add(self.rules.batch_wait.nanos()) } else { u64::MAX };
        self.pending.set_stage(at, Stage::Ready, due);
        self.line_up(at);
    }

    /// Other rules gather other batches, or in another order: what is ready begins to wait anew.
    pub(super) fn regroup(&mut self, old: &Rules, now: Now) {
        let of = |rules: &Rules| (rules.mode, rules.batch_max, rules.batch_wait, rules.order, rules.key.clone());
        if of(old) == of(&self.rules) {
            return;
        }
        self.line_up_anew();
        for at in self.pending.places() {
            self.pending.set_share(at, u32::MAX);
            if self.pending.get(at).is_some_and(|pending| pending.stage == Stage::Ready) {
                self.now_ready(at, now);
            }
        }
    }

    /// Starts a run for the files that are ready, if they are enough or have waited long enough.
    pub(super) fn start_batch(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let id = ctx.shared.next_run;
        let mut files = self.gather(ctx);
        if files.is_empty() {
            return false;
        }
        files.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let (mut trigger, mut attempts) = (Trigger::FileChange, 0);
        for &(_, at) in &files {
            let Some(pending) = self.pending.get(at) else { continue };
            (trigger, attempts) = (trigger.max(pending.trigger), attempts.max(pending.attempts));
            self.pending.set_stage(at, Stage::Running(id, false), u64::MAX);
        }
        let single = if let [(change, at)] = files.as_slice() { Some((change.clone(), *at)) } else { None };
        let members = files.iter().map(|&(_, at)| self.tree.id(at)).collect();
        let manifest: Arc<[Change]> = files.into_iter().map(|(change, _)| change).collect();
        let run = Run {
            watch: self.id,
            watch_name: Arc::clone(&self.name),
            node: single.as_ref().map_or(NodeId::ROOT, |&(_, at)| self.tree.id(at)),
            path: single.as_ref().map_or_else(|| self.root_path.clone(), |(change, _)| change.path.clone()),
            rel: single.as_ref().map_or_else(RawPath::default, |&(_, at)| RawPath::from(self.tree.path(at))),
            kind: single.as_ref().map_or(EventKind::Modify, |(change, _)| change.kind),
            from: single.as_ref().and_then(|(change, _)| change.from.clone()),
            trigger,
            attempt: attempts + 1,
            event_id: batch_id(manifest.iter().map(|change| change.event_id.as_str())),
            seen: single.and_then(|(_, at)| self.pending.get(at)?.seen),
            seq: ctx.shared.next_seq,
            placed: true,
            recorded: false,
            aim: Aim::Batch(Given { members, manifest }),
        };
        self.record_start(run, ctx);
        true
    }

    /// The files of the next batch, if one is due. What does not fit is for the next one; a file that was renamed away
    /// and still has its run under this path waits.
    fn gather(&mut self, ctx: &Ctx<'_>) -> Vec<(Change, u32)> {
        let mut room = if template::takes_paths(&self.rules.command) { PATHS } else { usize::MAX };
        let mut files = Vec::new();
        let most = if self.breaker.is_open() { 1 } else { self.rules.batch_max };
        for at in self.pending.take_batch(most) {
            if self.waits_to_arrive(at, ctx.now.mono) {
                continue;
            }
            let rel = self.tree.path(at);
            let path = self.root_path.join(&rel);
            let length = path.as_bytes().len() + PER_ARGUMENT;
            let Some(pending) = self.pending.get(at) else { continue };
            if ctx.shared.runs.has(self.id, &path) {
                self.now_ready(at, ctx.now);
            } else if length > room && !files.is_empty() {
                room = 0;
                self.pending.set_stage(at, Stage::Ready, ctx.now.mono);
            } else {
                room = room.saturating_sub(length);
                let change = Change {
                    kind: pending.kind,
                    path,
                    from: pending.path_before().filter(|_| pending.kind == EventKind::Rename),
                    size: pending.seen.map(|seen| seen.size),
                    event_id: event_id(self.id, &rel, pending.kind, pending.seen.as_ref(), pending.sweep),
                };
                files.push((change, at));
            }
        }
        files
    }

    /// Leaves out of a batch what is gone by now. False where nothing is left of it.
    pub(super) fn leave_out_vanished(&mut self, id: RunId, ctx: &mut Ctx<'_>) -> bool {
        let Some(Aim::Batch(given)) = ctx.shared.runs.get(id).map(|run| &run.aim) else { return true };
        let there = |member: NodeId, change: &Change| {
            let known = self.tree.place(member).is_some_and(|at| self.tree.node(at).has(Flags::KNOWN));
            known || change.kind == EventKind::Delete
        };
        let all = given.members.iter().copied().zip(given.manifest.iter());
        let (here, gone): (Vec<_>, Vec<_>) = all.partition(|&(member, change)| there(member, change));
        if gone.is_empty() || here.is_empty() {
            return !here.is_empty();
        }
        let gone: Vec<NodeId> = gone.into_iter().map(|(member, _)| member).collect();
        let (members, manifest): (Vec<_>, Vec<Change>) = here.into_iter().map(|(m, c)| (m, c.clone())).unzip();
        ctx.shared.runs.narrow(id, Given { members, manifest: manifest.into() });
        for member in gone {
            self.end_file(id, member, RunStatus::Vanished, None, ctx);
        }
        true
    }

    /// A batch ended: what follows for each of its files. It is stored whole, since the record of the run names none.
    pub(super) fn end_batch(
        &mut self,
        id: RunId,
        run: &Run,
        given: &Given,
        status: RunStatus,
        ms: Option<u64>,
        ctx: &mut Ctx<'_>,
    ) {
        if matches!(status, RunStatus::Retry | RunStatus::Later) && run.shares_blame() {
            self.try_again(id, run, given, status == RunStatus::Retry, ms, ctx);
        } else {
            for &member in &given.members {
                self.end_file(id, member, status, ms, ctx);
            }
        }
        self.checkpoint(ctx);
    }

    /// The files of a batch come back together, in halves if it failed. They are never set aside together.
    fn try_again(&mut self, id: RunId, run: &Run, given: &Given, failed: bool, ms: Option<u64>, ctx: &mut Ctx<'_>) {
        let attempts = run.attempt.min(self.rules.retries);
        let pause = backoff::pause(self.rules.backoff.0, attempts.max(1), ctx.shared.random.f64());
        let due = ctx.now.mono.saturating_add(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX));
        let half = u32::try_from(given.members.len().div_ceil(2)).unwrap_or(u32::MAX);
        for &member in &given.members {
            let Some(at) = self.running_in(id, member, ctx) else { continue };
            self.note_recent(at, ms, ctx);
            if failed {
                self.pending.set_share(at, half);
            }
            let before = self.pending.get(at).map_or(0, |pending| pending.attempts);
            self.back_off(at, if failed { attempts } else { before }, due, ctx);
        }
    }
}
