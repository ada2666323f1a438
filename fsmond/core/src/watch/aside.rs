//! Files that a person decides about: failed ones run again, or what is to be done for one is given up.

use fsmon_protocol::RawPath;
use fsmon_protocol::event::WatchChangeStatus;
use fsmon_protocol::path::quote;
use fsmon_protocol::run::Trigger;

use super::Watch;
use super::pending::Stage;
use crate::shared::Ctx;
use crate::sweep::Verdict;
use crate::tree::ROOT;

/// So many files are named in the record of a decision; more are counted.
const NAMED: usize = 8;

impl Watch {
    /// All files that were set aside.
    pub fn failed_places(&self) -> Vec<u32> {
        let failed = |at: &u32| self.pending.get(*at).is_some_and(|p| p.stage == Stage::Failed);
        self.pending.places().into_iter().filter(failed).collect()
    }

    /// All files of which something is to be done, or was and is set aside.
    pub fn pending_places(&self) -> Vec<u32> {
        self.pending.places()
    }

    /// Those of `places` that are at this absolute path or below it.
    pub fn at_or_below(&self, path: &RawPath, places: &[u32]) -> Vec<u32> {
        let Some(top) = self.rel(path).and_then(|rel| self.tree.resolve(rel)) else { return Vec::new() };
        let there = |at: &&u32| top == ROOT || **at == top || self.tree.below(**at, top);
        places.iter().filter(there).copied().collect()
    }

    /// Failed files are pending again, at attempt 1.
    pub fn retry_failed(&mut self, places: &[u32], ctx: &mut Ctx<'_>) {
        self.note_decision(WatchChangeStatus::Retried, places, ctx);
        for &at in places {
            self.begin_anew(at);
            self.pending.set_stage(at, Stage::Settling, ctx.now.mono);
        }
    }

    /// A failed file begins anew, as a person wants, from the first attempt on.
    pub(super) fn begin_anew(&mut self, at: u32) {
        let Some(pending) = self.pending.get_mut(at) else { return };
        (pending.attempts, pending.own_changes) = (0, 0);
        pending.trigger = pending.trigger.max(Trigger::Manual);
        let seen = pending.seen;
        self.pending.set_share(at, u32::MAX);
        self.ledger.dirty(&mut self.tree, at, seen);
    }

    /// Files are taken as done as they are. A command that runs for one of them ends by itself, and its result counts
    /// for nothing.
    pub fn give_up(&mut self, places: &[u32], ctx: &mut Ctx<'_>) {
        self.note_decision(WatchChangeStatus::Dropped, places, ctx);
        for &at in places {
            self.take_back(at, ctx);
            self.resolve(at, Verdict::Vanished, ctx);
        }
    }

    pub(super) fn note_decision(&self, status: WatchChangeStatus, places: &[u32], ctx: &mut Ctx<'_>) {
        let named = places.iter().take(NAMED).map(|&at| quote(self.absolute(at).as_bytes()).into_owned());
        let more = places.len().checked_sub(NAMED + 1).map(|more| format!("{} more", more + 1));
        let detail = named.chain(more).collect::<Vec<_>>().join(", ");
        self.note(status, Some(detail), ctx);
    }
}
