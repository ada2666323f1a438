//! Starts that are recorded ahead, so that a place that becomes free waits neither for the disk nor for us.
//!
//! Where commands are over quickly, the next files' starts are recorded while all places are taken, many in one
//! transaction. The very next ones, as many as there are places and those of the next moment, are lent to the runner, which
//! begins them as places become free; the others wait here. Until one begins nothing has happened for its file: news of
//! that, and what a person decides about the watch, takes it back, and the file waits as if its start had never been
//! recorded. So does one that waits longer than was expected, since it is told as started.
//!
//! Only for files with a run of their own and without an order or lanes: there the next one is chosen when its place is
//! free, and not before.

use std::collections::VecDeque;

use fsmon_protocol::event::EventKind;
use fsmon_protocol::run::RunStatus;

use super::Watch;
use super::pending::{Pending, Stage, merge};
use crate::io::{Effect, RunId};
use crate::runs::Runs;
use crate::shared::{Ctx, Shared};
use crate::sweep::Verdict;

/// So many wait here at most.
const MOST: u32 = 64;
/// So many runs in a row must have been quick before any start is recorded ahead.
const PROOF: u32 = 4;
/// So many wait here as are expected to begin within this, in milliseconds.
const EXPECTED: u64 = 50;
/// Beside one for each place so many are lent as are expected to begin within this, in milliseconds. The results of half of
/// that may come together: see [`Watch::results_may_gather`].
const SOON: u64 = 30;
/// So many runs have to be expected within [`SOON`] to make it worth letting results gather.
const BRISK: u32 = 10;
/// When no run has ended for so long, in nanoseconds, what has not begun is taken back, and nothing more is recorded ahead.
const PATIENCE: u64 = 200_000_000;
/// The same, when one has been waiting for so long: commands are slower than they were.
const LONGEST: u64 = 1_000_000_000;
/// When somebody has been waiting for a place for so long, what is lent is taken back: by now it should have begun, and ended.
const HURRY: u64 = 10_000_000;

/// A start that has not begun.
#[derive(Debug, Clone, Copy)]
struct Start {
    run: RunId,
    /// Since when it has been waiting.
    since: u64,
}

/// The starts of one watch that are recorded, or being recorded, and have not begun.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Those that wait here, in the order in which they begin.
    waiting: VecDeque<Start>,
    /// Those that are lent, or will be once they are durable, in the same order. All of them come before those that wait here.
    lent: VecDeque<Start>,
    /// How many may wait here, as long as runs end.
    room: u32,
    /// How many are expected to begin soon, as long as runs end.
    soon: u32,
    /// How many runs in a row were quick.
    quick: u32,
    /// When a run ended last.
    moved: u64,
    /// Since when somebody has been waiting for a place, or there have been more commands than places.
    hurry: Option<u64>,
}

impl Ahead {
    /// How many wait here.
    pub fn waiting(&self) -> u32 {
        u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)
    }

    /// The next one to begin, which waits here no more.
    pub fn next(&mut self) -> Option<RunId> {
        self.waiting.pop_front().map(|start| start.run)
    }

    /// One that had a place, or was lent, has ended. Where it had begun, the next that is lent has its place now. Returns
    /// whether fewer are lent.
    pub fn ended(&mut self, run: RunId) -> bool {
        let place = self.lent.iter().position(|lent| lent.run == run).unwrap_or(0);
        self.lent.remove(place).is_some()
    }

    /// How many may wait here now.
    fn room(&self, now: u64) -> u32 {
        if now < self.moved.saturating_add(PATIENCE) { self.room } else { 0 }
    }

    /// A command took so many milliseconds, and so many run at once. The more there were in a row that were quick, the more
    /// starts are recorded ahead.
    pub fn took(&mut self, ms: u64, places: u32, now: u64) {
        let expected = |within: u64| u32::try_from(within * u64::from(places) / ms.max(1)).unwrap_or(MOST);
        self.quick = if expected(EXPECTED) > 0 { self.quick.saturating_add(1) } else { 0 };
        let trusted = self.quick.checked_sub(PROOF).map_or(0, |more| 1 << more.min(MOST.ilog2()));
        (self.room, self.soon) = (expected(EXPECTED).min(trusted), expected(SOON).min(trusted));
        self.moved = now;
    }
}

impl Watch {
    /// Records the next starts ahead, once so many have begun that it is worth a transaction.
    pub fn record_ahead(&mut self, ctx: &mut Ctx<'_>) {
        let room = self.ahead.room(ctx.now.mono);
        if self.chooses_late() || self.ahead.waiting() > room / 2 || !self.may_start(ctx) {
            return;
        }
        while self.ahead.waiting() < room
            && let Some(run) = self.record_next(false, ctx)
        {
            self.ahead.waiting.push_back(Start { run, since: ctx.now.mono });
        }
    }

    /// Somebody waits for a place, or waits no more: what is lent is not to keep it from them for long.
    pub fn hurry(&mut self, somebody_waits: bool, now: u64) {
        self.ahead.hurry = somebody_waits.then(|| self.ahead.hurry.unwrap_or(now));
    }

    /// How many starts may be lent to the runner.
    pub(super) fn may_lend(&self, ctx: &Ctx<'_>) -> u32 {
        let lends = !self.chooses_late() && !self.has_workers() && !ctx.shared.crowded;
        if lends { self.ahead.room(ctx.now.mono).min(self.places().saturating_add(self.ahead.soon)) } else { 0 }
    }

    /// Whether the results of its runs may gather for half of [`SOON`]: enough is lent for as long, and many come.
    pub fn results_may_gather(&self) -> bool {
        self.ahead.soon >= BRISK && self.lent() > self.places()
    }

    /// How many are lent and have not begun.
    pub fn lent(&self) -> u32 {
        u32::try_from(self.ahead.lent.len()).unwrap_or(u32::MAX)
    }

    /// Whether this one is lent and has not begun.
    pub(super) fn is_lent(&self, run: RunId) -> bool {
        self.ahead.lent.iter().any(|lent| lent.run == run)
    }

    /// A run is given a place, or where there is none, lent. It must not count among those that have one yet.
    pub(super) fn give(&mut self, run: RunId, ctx: &mut Ctx<'_>) {
        self.breaker.started(run);
        if ctx.shared.runs.count(self.id) >= self.places() {
            self.ahead.lent.push_back(Start { run, since: ctx.now.mono });
            ctx.shared.lent += 1;
        }
    }

    /// Whether it could start a run, if other watches' commands did not have all places.
    pub fn lacks_room(&self, shared: &Shared) -> bool {
        let ready = self.pending.ready() || self.ahead.waiting() > 0;
        ready && !self.has_workers() && !self.is_stopped() && shared.runs.count(self.id) < self.places()
    }

    /// Whether the next file is chosen when its place is free, and not before.
    fn chooses_late(&self) -> bool {
        self.runs_once() || self.batches() || self.lines_up() || self.breaker.is_open()
    }

    /// Takes back all that have not begun.
    pub fn take_back_all(&mut self, ctx: &mut Ctx<'_>) {
        while let Some(run) = self.ahead.next() {
            self.taken_back(run, ctx);
        }
        if self.lent() > 0 {
            ctx.out.push(Effect::TakeBack(self.id, None));
        }
    }

    /// News of a file: its start is taken back, if it has one that has not begun.
    pub(super) fn take_back(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        let Some(Stage::Running(run, _)) = self.pending.get(at).map(|pending| pending.stage) else { return };
        if let Some(place) = self.ahead.waiting.iter().position(|waiting| waiting.run == run) {
            self.ahead.waiting.remove(place);
            self.taken_back(run, ctx);
        } else if self.is_lent(run) {
            ctx.out.push(Effect::TakeBack(self.id, Some(run)));
        }
    }

    /// The file is being written: its start is taken back, if it has one that has not begun, and what is written counts as
    /// news of it, though nobody has looked yet.
    pub(super) fn keep_from_beginning(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        let Some(Stage::Running(run, _)) = self.pending.get(at).map(|pending| pending.stage) else { return };
        if self.has_begun(run, &ctx.shared.runs) {
            return;
        }
        if let Some(pending) = self.pending.get_mut(at) {
            pending.changed = ctx.now.mono;
        }
        self.pending.set_stage(at, Stage::Running(run, true), u64::MAX);
        self.take_back(at, ctx);
    }

    /// A start was taken back before it began. The file settles from its last change on, if it has changed meanwhile.
    pub fn taken_back(&mut self, id: RunId, ctx: &mut Ctx<'_>) {
        let changed = self.merge_meanwhile(id, ctx);
        self.end_run(id, RunStatus::Interrupted, None, ctx);
        if let Some((at, changed)) = changed {
            self.settle_until(at, changed.saturating_add(self.quiet_after_write(at)));
        }
    }

    /// What has happened to the file of a run that has not begun, and what that was for, are one change. Gives the file, if it
    /// is still to run, and when it changed.
    fn merge_meanwhile(&mut self, id: RunId, ctx: &mut Ctx<'_>) -> Option<(u32, u64)> {
        let run = ctx.shared.runs.get(id)?;
        let at = self.tree.place(run.node)?;
        let deletes = self.wants_kind(EventKind::Delete);
        let pending = self.pending.get_mut(at).filter(|p| p.stage == Stage::Running(id, true))?;
        let kind = merge(run.kind, pending.kind).filter(|&kind| kind != EventKind::Delete || deletes);
        let Some(kind) = kind else {
            self.resolve(at, Verdict::Vanished, ctx);
            return None;
        };
        pending.kind = kind;
        pending.trigger = pending.trigger.max(run.trigger);
        if pending.from.is_none() {
            pending.from = run.from.clone().map(Box::new);
        }
        let changed = pending.changed;
        self.pending.set_stage(at, Stage::Running(id, false), u64::MAX);
        Some((at, changed))
    }

    /// When what has not begun is taken back.
    pub(super) fn ahead_deadline(&self) -> Option<u64> {
        let oldest = self.ahead.lent.front().or(self.ahead.waiting.front())?;
        let due = self.ahead.moved.saturating_add(PATIENCE).min(oldest.since.saturating_add(LONGEST));
        Some(self.hurry_deadline().map_or(due, |hurried| hurried.min(due)))
    }

    /// When what is lent is taken back, since somebody waits for a place.
    fn hurry_deadline(&self) -> Option<u64> {
        let since = self.ahead.hurry.filter(|_| self.lent() > 0)?;
        Some(since.saturating_add(HURRY))
    }

    /// What was expected to begin by now and has not is taken back, and what may not begin any more.
    pub(super) fn on_ahead_due(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now.mono;
        if self.hurry_deadline().is_some_and(|due| due <= now) {
            ctx.out.push(Effect::TakeBack(self.id, None));
            self.ahead.hurry = Some(now);
        }
        let Some(due) = self.ahead_deadline() else { return };
        if due <= now || self.is_stopped() {
            (self.ahead.room, self.ahead.soon, self.ahead.quick, self.ahead.moved) = (0, 0, 0, now);
            self.take_back_all(ctx);
            // Those that are lent stay until the runner has answered, or the store.
            self.ahead.lent.iter_mut().for_each(|lent| lent.since = now);
        }
    }

    /// Whether the command of a run runs: it has a place, and its start is recorded.
    pub(super) fn has_begun(&self, run: RunId, runs: &Runs) -> bool {
        runs.get(run).is_some_and(|run| run.placed && run.recorded) && !self.is_lent(run)
    }

    /// Where a pending file stands, for people: with a start that has not begun it waits.
    pub(super) fn stage_told(&self, pending: &Pending, runs: &Runs) -> Stage {
        match pending.stage {
            Stage::Running(run, _) if !self.has_begun(run, runs) => Stage::Ready,
            stage => stage,
        }
    }

    /// How many files commands run for.
    pub(super) fn files_running(&self, runs: &Runs) -> u32 {
        let waits = runs.of(self.id).into_iter().filter(|&run| !self.has_begun(run, runs));
        let files = waits.filter_map(|run| runs.get(run)).map(|run| run.given().map_or(1, |given| given.members.len()));
        self.pending.running().saturating_sub(u32::try_from(files.sum::<usize>()).unwrap_or(u32::MAX))
    }
}
