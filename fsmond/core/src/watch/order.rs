//! `--order` and `--key` of one watch: where each file that is ready stands. The lanes themselves are in
//! `crate::lanes`. Without either option files start as they became ready, and nothing here is used.

use fsmon_protocol::spec::{Mode, Order, Rules};

use super::Watch;
use super::pending::Stage;
use super::suspects::SOON;
use crate::lanes::{Key, Lanes, Rank, key_of};
use crate::shared::Ctx;

/// Whether files have an order or lanes by these rules.
fn lines_up(rules: &Rules) -> bool {
    rules.mode != Mode::Batch && (rules.order != Order::Arrival || rules.key.is_some())
}

impl Watch {
    /// Whether its files have an order or lanes.
    pub(super) fn lines_up(&self) -> bool {
        lines_up(&self.rules)
    }

    /// The next file to start.
    pub(super) fn next_ready(&mut self, now: u64) -> Option<u32> {
        loop {
            let at = if self.lines_up() { self.pending.take_next() } else { self.pending.take_ready() }?;
            if !self.waits_to_arrive(at, now) {
                return Some(at);
            }
        }
    }

    /// A file that is being renamed, or is below a folder that is, has no path to run under: it is looked at once more when
    /// that is known.
    pub(super) fn waits_to_arrive(&mut self, at: u32, now: u64) -> bool {
        let moving = self.tree.moving(at);
        if moving {
            self.pending.set_stage(at, Stage::Settling, now.saturating_add(SOON));
        }
        moving
    }

    /// A file is ready: it takes its place among the others.
    pub(super) fn line_up(&mut self, at: u32) {
        if !self.lines_up() {
            return;
        }
        let Some(pending) = self.pending.get(at) else { return };
        let rel = self.tree.path(at);
        let time = match self.rules.order {
            Order::Mtime => pending.seen.map_or(0, |seen| seen.mtime),
            Order::Arrival | Order::Name => 0,
        };
        let name = if self.rules.order == Order::Arrival { Box::default() } else { rel.clone().into_boxed_slice() };
        let key = self.key.as_ref().and_then(|pattern| key_of(pattern, &rel));
        self.pending.lanes.enter(at, Rank { time, name, came: 0 }, key);
    }

    /// Other rules make another order: the lanes are those of what runs now, and what is ready lines up anew.
    pub(super) fn line_up_anew(&mut self) {
        self.pending.lanes = Lanes::default();
        for at in self.pending.places() {
            let runs = self.pending.get(at).is_some_and(|p| matches!(p.stage, Stage::Running(..) | Stage::Backoff));
            if runs && let Some(key) = self.key_at(at) {
                self.pending.lanes.hold(at, key);
            }
        }
    }

    /// Whether a command runs that was given a file of the same key: that may have another name by now.
    pub(super) fn lane_runs(&self, at: u32, ctx: &Ctx<'_>) -> bool {
        let Some((pattern, key)) = self.key.as_ref().zip(self.key_at(at)) else { return false };
        let rel = |run| ctx.shared.runs.get(run).map(|run| run.rel.as_bytes());
        let key_of_run = |run| rel(run).and_then(|rel| key_of(pattern, rel));
        ctx.shared.runs.of(self.id).into_iter().any(|run| key_of_run(run).as_ref() == Some(&key))
    }

    fn key_at(&self, at: u32) -> Option<Key> {
        key_of(self.key.as_ref()?, &self.tree.path(at))
    }
}
