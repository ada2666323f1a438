//! `replay`: files that are given out again, at a pace and behind everything else. So that what changes never waits for
//! more than a handful of them, only as many are in hand as the watch has places; the others stay in a queue of their own.
//!
//! That they are pending is stored as of any other; the queue is not. After a restart it is made anew, without its rate.

use std::collections::VecDeque;

use fsmon_protocol::event::{EventKind, WatchChangeStatus};
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::rpc_types::Again;
use fsmon_protocol::run::Trigger;
use fsmon_protocol::spec::Mode;
use fsmon_protocol::units::{Span, Timestamp};

use super::pending::{Pending, Stage};
use super::suspects::When;
use super::{Handle, Watch};
use crate::judge::Told;
use crate::shared::Ctx;
use crate::tree::{Flags, ROOT};

/// What was late may be made up for, up to so much of it.
const BURST: u64 = 100_000_000;

/// Those whose turn is to come.
#[derive(Debug, Default)]
pub(super) struct Paced {
    /// In order, with some that changed meanwhile and did not wait.
    pub queue: VecDeque<Handle>,
    /// At least so far apart.
    pause: u64,
    /// Not before this.
    next: u64,
}

impl Watch {
    /// The reconcile of a replay is done: the files it is about are pending once more, and wait for their turn. One that is
    /// pending already runs once for both causes. Returns how many there are.
    pub(super) fn give_again(&mut self, sweep: u64, again: Again, picked: &[Handle], ctx: &mut Ctx<'_>) -> u64 {
        let chosen = self.chosen(again, picked);
        if again == Again::Failed && !chosen.is_empty() {
            self.note_decision(WatchChangeStatus::Retried, &chosen, ctx);
        }
        for &at in &chosen {
            let failed = self.pending.get(at).is_some_and(|pending| pending.stage == Stage::Failed);
            if failed {
                self.begin_anew(at);
            }
            if failed || self.pending_again(at, sweep, ctx.now.mono) {
                self.pending.set_stage(at, Stage::Paced, u64::MAX);
                self.paced.queue.push_back(self.tree.id(at));
            }
            if let Some(pending) = self.pending.get_mut(at) {
                pending.trigger = pending.trigger.max(Trigger::Manual);
                pending.sweep = if failed { sweep } else { pending.sweep };
                self.pending.waiters.join(at, sweep);
            }
        }
        self.ledger.hurry();
        chosen.len() as u64
    }

    /// The files that a replay is about.
    pub(super) fn chosen(&self, again: Again, picked: &[Handle]) -> Vec<u32> {
        let may = |at: &u32| self.can_run_again(*at);
        match again {
            Again::Failed => self.failed_places(),
            Again::All => self.tree.subtree(ROOT).into_iter().filter(may).collect(),
            Again::Since(_) => picked.iter().filter_map(|&id| self.tree.place(id)).filter(may).collect(),
        }
    }

    /// Whether it is a file that is there, and neither set aside nor on its way out.
    fn can_run_again(&self, at: u32) -> bool {
        let node = self.tree.node(at);
        let there = node.file_type == FileType::File && node.has(Flags::KNOWN) && !node.has(Flags::HIDDEN);
        let runs = !self.rules.command.is_empty() && !self.filter.is_ready_file(node.name());
        there && runs && !self.pending.get(at).is_some_and(|pending| pending.stage.is_over())
    }

    /// A file of which nothing is to be done is pending once more, for this sweep. It is stored before its run starts, since
    /// no record tells of it. Returns whether it was such a file.
    pub(super) fn pending_again(&mut self, at: u32, sweep: u64, now: u64) -> bool {
        if self.tree.node(at).has(Flags::PENDING) {
            return false;
        }
        self.pending.insert(at, Pending { sweep, ..Pending::new(EventKind::Modify, Trigger::FileChange, now) });
        self.tree.node_mut(at).set(Flags::PENDING);
        self.ledger.dirty(&mut self.tree, at, None);
        true
    }

    /// From now on files are given out so far apart; what waits already too.
    pub(super) fn set_pace(&mut self, pause: Span, now: u64) {
        self.paced.pause = pause.nanos();
        self.paced.next = now;
    }

    /// After a restart: what a person had given out, and was not run, stands behind what changes.
    pub(super) fn pace_again(&mut self, at: u32) {
        let given = |p: &Pending| p.stage == Stage::Settling && p.sweep > 0 && p.trigger == Trigger::Manual;
        if self.pending.get(at).is_some_and(given) {
            self.pending.set_stage(at, Stage::Paced, u64::MAX);
            self.paced.queue.push_back(self.tree.id(at));
        }
    }

    /// The turn of the next has come.
    pub(super) fn on_turn(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now.mono;
        while self.turn().is_some_and(|at| at <= now) {
            let next = self.paced.queue.pop_front().and_then(|id| self.tree.place(id));
            if let Some(at) = next.filter(|&at| self.pending.get(at).is_some_and(|p| p.stage == Stage::Paced)) {
                self.paced.next = self.paced.next.max(now.saturating_sub(BURST)).saturating_add(self.paced.pause);
                self.pending.set_stage(at, Stage::Checking, u64::MAX);
                self.suspect(at, Told::CHECK, When::Now, ctx);
            }
        }
    }

    /// When that is; never while nothing may run, or as many are in hand as there are places.
    pub(super) fn turn(&self) -> Option<u64> {
        let waits = !self.paced.queue.is_empty() && !self.paused && self.acts();
        (waits && self.pending.in_hand() < self.files_at_once()).then_some(self.paced.next)
    }

    /// How many files can run at once.
    fn files_at_once(&self) -> u64 {
        let each = match self.rules.mode {
            Mode::Each => 1,
            Mode::Batch => self.rules.batch_max,
            Mode::Worker => self.rules.in_flight,
        };
        u64::from(self.rules.concurrency) * u64::from(each)
    }
}

/// Whether a file of a listing changed since then, or came under its name since.
pub(super) fn is_since(since: Timestamp, mtime: i64, ctime: i64) -> bool {
    mtime.max(ctime) >= since.0
}
