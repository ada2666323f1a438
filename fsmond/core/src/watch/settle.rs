//! From "it changed" to "it may run": what becomes pending, when it is complete and quiet, and the look before its run.

use fsmon_protocol::RawPath;
use fsmon_protocol::event::{EventKind, Origin};
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::run::Trigger;

use super::Watch;
use super::complete::{Evidence, waits_for};
use super::pending::{Leaving, Pending, Stage, merge};
use super::suspects::When;
use super::tell::Learnt;
use crate::io::{Name, Now, Stat};
use crate::judge::Told;
use crate::shared::Ctx;
use crate::sweep::Verdict;
use crate::tree::Flags;

/// A file found by a scan, of which nobody knows whether it is still being written, must look the same twice, this
/// far apart.
pub(super) const TWICE: u64 = 2_000_000_000;
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
            self.no_file_any_more(at, ctx);
            return;
        }
        let now = ctx.now.mono;
        let (quiet, unsure) = if self.tree.node(at).has(Flags::OPEN) || learnt.origin == Origin::Live {
            (self.quiet_after_write(at), 0)
        } else {
            self.quiet_after_scan(Some(&stat.fingerprint), ctx.now)
        };
        let due = now.saturating_add(quiet);
        if self.changed(at, kind, from, learnt.trigger, ctx)
            && let Some(pending) = self.pending.get_mut(at)
        {
            pending.saw(stat.fingerprint, now);
            (pending.changed, pending.unsure) = (now, unsure);
            let ceiling = self.rules.max_wait.span().map_or(u64::MAX, |w| pending.since.saturating_add(w.nanos()));
            self.settle_until(at, due.min(ceiling.max(now)));
            self.note_own_change(at, stat.fingerprint.mtime, ctx);
        }
    }

    /// Commands run for files: what was due for one that was here before is not, but for a run that is under way.
    pub(super) fn no_file_any_more(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        self.take_back(at, ctx);
        if self.pending.get(at).is_some_and(|p| !matches!(p.stage, Stage::Running(..))) {
            self.resolve(at, Verdict::Vanished, ctx);
        }
    }

    /// How long a file whose writes are told must be quiet: longer where it was written and not closed since.
    pub(super) fn quiet_after_write(&self, at: u32) -> u64 {
        let open = self.tree.node(at).has(Flags::OPEN);
        if open { self.rules.open_quiet.nanos() } else { self.rules.settle.nanos() }
    }

    /// For something that was found by looking: how long it must be quiet, and until when it must look the same, should
    /// nobody be able to tell whether it is being written. Neither, if its last write is known to be long ago.
    pub(super) fn quiet_after_scan(&self, seen: Option<&Fingerprint>, now: Now) -> (u64, u64) {
        let quiet = i128::from(self.rules.open_quiet.nanos());
        let old = seen.is_some_and(|seen| i128::from(now.wall.0) - i128::from(seen.mtime) >= quiet);
        if old { (0, 0) } else { (self.rules.settle.nanos().min(TWICE), now.mono.saturating_add(TWICE)) }
    }

    /// After a restart a pending file settles as something that a scan found: nobody knows who wrote to it meanwhile.
    pub(super) fn settle_as_found(&mut self, at: u32, now: Now) {
        let Some(pending) = self.pending.get(at).filter(|p| p.stage == Stage::Settling) else { return };
        let (quiet, unsure) = self.quiet_after_scan(pending.seen.as_ref(), now);
        self.pending.set_stage(at, Stage::Settling, now.mono.saturating_add(quiet));
        if let Some(pending) = self.pending.get_mut(at) {
            (pending.since, pending.changed, pending.unsure) = (now.mono, now.mono, unsure);
        }
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
            self.settle_until(at, ctx.now.mono.saturating_add(self.quiet_after_write(at)));
        }
    }

    /// A file was renamed to this name, at which there was another one where `replaced`: then its content has changed too,
    /// and who asks for no renames is told that. So are most files saved.
    pub(super) fn pending_renamed(
        &mut self,
        at: u32,
        from: Option<RawPath>,
        replaced: bool,
        trigger: Trigger,
        ctx: &mut Ctx<'_>,
    ) {
        let saved = replaced && !self.wants_kind(EventKind::Rename);
        let (kind, from) = if saved { (EventKind::Modify, None) } else { (EventKind::Rename, from) };
        self.pending_unseen(at, kind, from, trigger, ctx);
    }

    /// A known file is gone.
    pub(super) fn gone_pending(&mut self, at: u32, trigger: Trigger, ctx: &mut Ctx<'_>) {
        if self.was_put_away(at) {
            self.resolve(at, Verdict::Vanished, ctx);
            return;
        }
        if self.changed(at, EventKind::Delete, None, trigger, ctx) {
            if let Some(pending) = self.pending.get_mut(at) {
                pending.seen = None;
            }
            self.settle_until(at, ctx.now.mono.saturating_add(self.rules.settle.nanos()));
        }
    }

    /// Merges a change into what is pending. Returns whether something is pending now. Its row says so from then on, also
    /// where the change is that of a folder above, so that no record names this file.
    fn changed(
        &mut self,
        at: u32,
        kind: EventKind,
        from: Option<RawPath>,
        trigger: Trigger,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        if kind != EventKind::Modify {
            // It is another file now, or has another name.
            self.forget_processed(at);
        }
        let pending = self.merge_change(at, kind, from, trigger, ctx);
        if pending {
            self.ledger.dirty(&mut self.tree, at, None);
        }
        pending
    }

    fn merge_change(
        &mut self,
        at: u32,
        kind: EventKind,
        from: Option<RawPath>,
        trigger: Trigger,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        if self.rules.command.is_empty() || self.filter.is_ready_file(self.tree.node(at).name()) {
            return false;
        }
        self.take_back(at, ctx);
        let from = from.map(Box::new);
        let wanted = self.wants_kind(kind) && !(self.accepting && trigger == Trigger::Recovery);
        let Some(pending) = self.pending.get_mut(at) else {
            if wanted {
                self.pending.insert(at, Pending { from, ..Pending::new(kind, trigger, ctx.now.mono) });
                self.tree.node_mut(at).set(Flags::PENDING);
                self.join_sweeps(at, ctx);
            }
            return wanted;
        };
        if pending.stage == Stage::Leaving {
            // What was processed is over; this is news of its own.
            let leaving = if pending.leaving == Leaving::Asked { Leaving::Asked } else { Leaving::No };
            if wanted {
                self.pending.insert(at, Pending { from, leaving, ..Pending::new(kind, trigger, ctx.now.mono) });
                self.join_sweeps(at, ctx);
            } else {
                self.resolve(at, Verdict::Vanished, ctx);
            }
            return wanted;
        }
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
        self.pending.set_share(at, u32::MAX);
        true
    }

    /// Lets a pending file settle until then; one that runs goes on.
    pub(super) fn settle_until(&mut self, at: u32, due: u64) {
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
                self.processed.unask(at);
                self.suspect(at, Told::CHECK, When::Now, ctx);
            } else if stage == Stage::Ready {
                self.pending.waited(at);
            } else if stage.is_over() {
                self.put_away(at, ctx);
            }
        }
    }

    /// The look before a run saw what the journal has told.
    pub(super) fn checked(&mut self, at: u32, stat: Stat, ctx: &mut Ctx<'_>) {
        let Some(pending) = self.pending.get_mut(at).filter(|p| p.stage == Stage::Checking) else { return };
        pending.saw(stat.fingerprint, ctx.now.mono);
        let evidence = evidence(pending, &stat, ctx.now);
        if stat.file_type != FileType::File {
            self.no_file_any_more(at, ctx);
        } else if !self.filter.size_ok(stat.fingerprint.size) {
            self.resolve(at, Verdict::Vanished, ctx);
        } else if let Some(wait) = waits_for(&self.rules, &evidence) {
            self.pending.set_stage(at, Stage::Settling, ctx.now.mono.saturating_add(wait.again()));
        } else if self.awaits_ready_file(at) {
            self.pending.set_stage(at, Stage::Settling, u64::MAX);
            let later: Vec<u64> = self.sweeps_to_come().collect();
            self.answer_waiters_but(at, &later, Verdict::NotReady, ctx);
        } else if !self.dedupes(at, ctx) {
            self.now_ready(at, ctx.now);
        }
    }

    /// Whether its ready file is not there yet; then it is looked at again when that appears.
    fn awaits_ready_file(&mut self, at: u32) -> bool {
        let Some(missing) = self.missing_ready_file(at) else { return false };
        let waiting = self.awaited.entry(missing).or_default();
        if !waiting.contains(&at) {
            waiting.push(at);
        }
        if self.awaited.len() > 2 * usize::try_from(self.pending.pending()).unwrap_or(usize::MAX) + 1024 {
            // Those whose files are gone.
            self.awaited.retain(|_, waiting| waiting.iter().any(|&at| self.pending.get(at).is_some()));
        }
        true
    }

    /// The ready file of a file, where it needs one that is not there: its folder and name.
    pub(super) fn missing_ready_file(&self, at: u32) -> Option<(u32, Name)> {
        let ready = self.filter.ready()?;
        let (folder, name) = (self.tree.node(at).parent(), ready.of(self.tree.node(at).name()));
        let there = self.tree.lookup(folder, &name).is_some_and(|there| self.tree.node(there).has(Flags::KNOWN));
        (!there).then(|| (folder, name.into()))
    }

    /// Something is there now: files that waited for it are looked at.
    pub(super) fn on_present(&mut self, at: u32, now: u64) {
        if self.awaited.is_empty() {
            return;
        }
        let node = self.tree.node(at);
        for waiting in self.awaited.remove(&(node.parent(), Name::from(node.name()))).unwrap_or_default() {
            if self.pending.get(waiting).is_some_and(|p| p.stage == Stage::Settling) {
                self.pending.set_stage(waiting, Stage::Settling, now);
            }
        }
    }

    /// The look before a run saw no file, as was known: a deletion is ready for its run.
    pub(super) fn checked_gone(&mut self, at: u32, now: Now) {
        if self.pending.get(at).is_some_and(|p| p.stage == Stage::Checking && p.kind == EventKind::Delete) {
            self.now_ready(at, now);
        }
    }

    /// A file that is written all the time is taken once it has waited for `max-wait`.
    pub(super) fn take_after_ceiling(&mut self, at: u32, stat: Stat, ctx: &mut Ctx<'_>) {
        let Some(wait) = self.rules.max_wait.span() else { return };
        let waited = self.pending.get(at).is_some_and(|p| {
            !matches!(p.stage, Stage::Running(..)) && p.since.saturating_add(wait.nanos()) <= ctx.now.mono
        });
        if waited && self.filter.size_ok(stat.fingerprint.size) {
            self.now_ready(at, ctx.now);
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
}

/// What is known about a pending file, and what a look at it saw.
pub(super) fn evidence(pending: &Pending, stat: &Stat, now: Now) -> Evidence {
    let age = u64::try_from(i128::from(now.wall.0) - i128::from(stat.fingerprint.mtime)).unwrap_or(0);
    Evidence {
        still: now.mono.saturating_sub(pending.changed).max(age),
        waited: now.mono.saturating_sub(pending.since),
        written: stat.written,
        unsure: pending.unsure.saturating_sub(now.mono),
    }
}
