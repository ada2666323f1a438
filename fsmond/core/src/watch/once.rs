//! `on-schedule once`: one run for the whole watch, with a manifest of what changed since it last succeeded. Files never
//! run by themselves then; what changed waits in the ledger, deletes too, until such a run has succeeded.

use std::sync::Arc;

use fsmon_protocol::RawPath;
use fsmon_protocol::event::EventKind;
use fsmon_protocol::run::{RunStatus, Trigger};
use fsmon_protocol::spec::OnSchedule;
use fsmon_protocol::units::Timestamp;

use super::pending::Stage;
use super::settle::TWICE;
use super::{Handle, Watch};
use crate::backoff;
use crate::ident::event_id;
use crate::io::{Change, NodeId, Owed, RunId, StoreOp};
use crate::runs::{Aim, Given, Run};
use crate::shared::Ctx;
use crate::sweep::Verdict;
use crate::tree::Flags;

/// One run for the whole watch, from its occurrence until it succeeded or its attempts are used up.
#[derive(Debug)]
pub(super) struct Once {
    /// When it was due, or asked for: the key of its attempts.
    due: Timestamp,
    trigger: Trigger,
    attempts: u32,
    /// Not before this; none once that has passed.
    after: Option<u64>,
    /// It waits no longer than this for changed files to be complete; none once that has passed.
    patience: Option<u64>,
    /// Sweeps that count on it.
    sweeps: Vec<u64>,
    run: Option<RunId>,
}

impl Watch {
    /// Whether the watch's command runs for the whole of it, never for a file.
    pub fn runs_once(&self) -> bool {
        self.rules.on_schedule == OnSchedule::Once
    }

    /// Whether changes of this kind are to be processed. For a run over the whole watch a delete is news as well.
    pub(super) fn wants_kind(&self, kind: EventKind) -> bool {
        self.rules.kinds.contains(&kind) || (kind == EventKind::Delete && self.runs_once())
    }

    /// A sweep's reconcile is done: the run is due. Returns how many changes it may be about.
    pub(super) fn begin_once(&mut self, sweep: u64, trigger: Trigger, ctx: &mut Ctx<'_>) -> u64 {
        let now = ctx.now.mono;
        for at in self.pending.places() {
            if self.pending.get(at).is_some_and(|p| matches!(p.stage, Stage::Backoff | Stage::Failed)) {
                self.pending.set_stage(at, Stage::Settling, now);
            }
        }
        if self.once.as_ref().is_some_and(|once| once.run.is_some()) {
            // What it was not given is for one more.
            self.once_more.push(sweep);
        } else {
            let owed = self.clocks.occurrence.filter(|&(id, _)| id == sweep).and(self.clocks.owed);
            let owed = owed.unwrap_or(Owed { due: ctx.now.wall, attempts: 0 });
            let patience = now.saturating_add(self.rules.open_quiet.nanos()).saturating_add(TWICE);
            let once = self.once.get_or_insert_with(|| Once::new(owed, trigger));
            once.sweeps.push(sweep);
            once.trigger = once.trigger.max(trigger);
            (once.after, once.patience) = (None, Some(patience));
        }
        self.pending.pending()
    }

    /// The next moment at which it has something to do.
    pub(super) fn once_deadline(&self) -> Option<u64> {
        let once = self.once.as_ref().filter(|once| once.run.is_none())?;
        once.after.or(once.patience)
    }

    /// What it waited for has passed.
    pub(super) fn on_once_due(&mut self, ctx: &Ctx<'_>) {
        if let Some(once) = &mut self.once {
            once.after = once.after.filter(|&at| at > ctx.now.mono);
            once.patience = once.patience.filter(|&at| at > ctx.now.mono);
        }
    }

    /// Starts the run, if it may: what has changed is complete, or was waited for long enough.
    pub(super) fn start_once(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let waits = self.pending.settling() > 0;
        let ready = |once: &Once| once.run.is_none() && once.after.is_none() && (once.patience.is_none() || !waits);
        if self.listings.scanning() || !self.once.as_ref().is_some_and(ready) {
            return false;
        }
        let id = ctx.shared.next_run;
        let mut changes: Vec<(Change, Handle)> = Vec::new();
        for at in self.pending.take_all_ready() {
            if self.waits_to_arrive(at, ctx.now.mono) {
                continue;
            }
            let Some(pending) = self.pending.get(at) else { continue };
            let change = Change {
                kind: pending.kind,
                path: self.absolute(at),
                from: pending.path_before().filter(|_| pending.kind == EventKind::Rename),
                size: pending.seen.map(|seen| seen.size),
                event_id: event_id(self.id, &self.tree.path(at), pending.kind, pending.seen.as_ref(), pending.sweep),
            };
            changes.push((change, self.tree.id(at)));
            self.pending.set_stage(at, Stage::Running(id, false), u64::MAX);
        }
        changes.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let (manifest, members): (Vec<Change>, Vec<Handle>) = changes.into_iter().unzip();
        let Some(once) = &mut self.once else { return false };
        once.run = Some(id);
        let run = Run {
            watch: self.id,
            watch_name: Arc::clone(&self.name),
            node: NodeId::ROOT,
            path: self.root_path.clone(),
            kind: EventKind::Modify,
            from: None,
            trigger: once.trigger,
            attempt: once.attempts + 1,
            event_id: event_id(self.id, b"", EventKind::Modify, None, once.due.0.cast_unsigned()),
            seen: None,
            rel: RawPath::from(Vec::new()),
            seq: ctx.shared.next_seq,
            placed: true,
            recorded: false,
            aim: Aim::Watch(Given { members, manifest: manifest.into() }),
        };
        // Over a restart it is the same run, with as many attempts left.
        self.clocks.owed = Some(Owed { due: once.due, attempts: once.attempts });
        ctx.store(StoreOp::Watch(Box::new(self.row())), None);
        self.record_start(run, ctx);
        true
    }

    /// The run ended. What it was given is processed if it succeeded, before that it did is told: should the daemon die
    /// in between, nothing is given out twice.
    pub(super) fn end_once(&mut self, id: RunId, run: &Run, given: &Given, status: RunStatus, ctx: &mut Ctx<'_>) {
        for &member in &given.members {
            self.end_member(id, member, status == RunStatus::Ok, ctx);
        }
        let Some(mut once) = self.once.take_if(|once| once.run == Some(id)) else { return };
        once.run = None;
        match status {
            RunStatus::Ok | RunStatus::Failed | RunStatus::Vanished => {
                let verdict = if status == RunStatus::Ok { Verdict::Ok } else { Verdict::Failed };
                once.answer(verdict, ctx);
                if self.clocks.owed.is_some_and(|owed| owed.due == once.due) {
                    self.clocks.owed = None;
                }
                self.begin_once_more(ctx);
            }
            RunStatus::Interrupted => {
                once.after = Some(ctx.now.mono);
                self.once = Some(once);
            }
            _ => self.retry_once(once, run.attempt, status, ctx),
        }
        self.checkpoint(ctx);
    }

    fn end_member(&mut self, id: RunId, member: Handle, ok: bool, ctx: &mut Ctx<'_>) {
        let Some(at) = self.tree.place(member) else { return };
        let Some(&Stage::Running(current, dirty)) = self.pending.get(at).map(|p| &p.stage) else { return };
        if current != id {
            return;
        }
        if !dirty {
            if ok {
                self.keep_processed(at, ctx);
                self.resolve(at, Verdict::Ok, ctx);
            } else {
                self.now_ready(at, ctx.now);
            }
            return;
        }
        let known = self.tree.node(at).has(Flags::KNOWN);
        if known || self.pending.get(at).is_some_and(|p| p.kind == EventKind::Delete) {
            let due = ctx.now.mono.saturating_add(self.quiet_after_write(at));
            self.pending.set_stage(at, Stage::Settling, due);
            self.ledger.dirty(&mut self.tree, at, None);
        } else {
            self.resolve(at, Verdict::Vanished, ctx);
        }
    }

    fn retry_once(&mut self, mut once: Once, attempt: u32, status: RunStatus, ctx: &mut Ctx<'_>) {
        let pause = backoff::pause(self.rules.backoff.0, attempt, ctx.shared.random.f64());
        once.attempts = if status == RunStatus::Later { attempt - 1 } else { attempt };
        once.after = Some(ctx.now.mono.saturating_add(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX)));
        once.answer(Verdict::Failed, ctx);
        self.clocks.owed = Some(Owed { due: once.due, attempts: once.attempts });
        self.once = Some(once);
    }

    /// Sweeps came while the run was going.
    fn begin_once_more(&mut self, ctx: &mut Ctx<'_>) {
        for sweep in std::mem::take(&mut self.once_more) {
            self.begin_once(sweep, Trigger::Manual, ctx);
        }
    }

    /// The watch ends or runs nothing of the kind any more: whoever waits is let go.
    pub(super) fn leave_once(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(mut once) = self.once.take() {
            once.answer(Verdict::Vanished, ctx);
        }
        for sweep in std::mem::take(&mut self.once_more) {
            ctx.shared.sweeps.result(sweep, Verdict::Vanished);
        }
    }
}

impl Once {
    fn new(owed: Owed, trigger: Trigger) -> Self {
        Self {
            due: owed.due,
            trigger,
            attempts: owed.attempts,
            after: None,
            patience: None,
            sweeps: Vec::new(),
            run: None,
        }
    }

    fn answer(&mut self, verdict: Verdict, ctx: &mut Ctx<'_>) {
        for sweep in std::mem::take(&mut self.sweeps) {
            ctx.shared.sweeps.result(sweep, verdict);
        }
    }
}
