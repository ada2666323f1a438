//! Commands that make their own work: a file that changes during its own run, again and again, holds its watch until a
//! person decides. Never what somebody else writes.

use fsmon_protocol::event::WatchChangeStatus;
use fsmon_protocol::units::Timestamp;

use super::Watch;
use crate::io::NodeId;
use crate::shared::Ctx;

/// So many runs that ended are remembered.
const RECENT: usize = 64;
/// So many changes of a file during its own runs, in a row, are a loop.
pub(super) const LOOP: u32 = 5;

/// A run that ended: its file, when it ran, and how many rounds of a loop it was.
#[derive(Debug)]
pub(super) struct Recent {
    node: NodeId,
    started: Timestamp,
    ended: Timestamp,
    rounds: u32,
}

impl Watch {
    /// Remembers when a file had its run, where it took any time: a change of it that is told later may have been made by that.
    pub(super) fn note_recent(&mut self, at: u32, ms: Option<u64>, ctx: &Ctx<'_>) {
        let Some(ms) = ms else { return };
        let rounds = self.pending.get(at).map_or(0, |p| p.own_changes);
        let started = ctx.now.stamp.minus(std::time::Duration::from_millis(ms + 1));
        self.recent.push_back(Recent { node: self.tree.id(at), started, ended: ctx.now.wall, rounds });
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// A file became pending by a write at this time: was it made by its own last run?
    pub(super) fn note_own_change(&mut self, at: u32, written: i64, ctx: &mut Ctx<'_>) {
        let id = self.tree.id(at);
        let last = self.recent.iter().rev().find(|r| r.node == id);
        let Some(last) = last.filter(|r| (r.started.0..=r.ended.0).contains(&written)) else { return };
        let rounds = last.rounds + 1;
        if let Some(pending) = self.pending.get_mut(at).filter(|p| p.own_changes < rounds) {
            pending.own_changes = rounds;
            if rounds >= LOOP {
                self.hold_loop(at, ctx);
            }
        }
    }

    /// A file changed during each of its last runs: its command makes its own work, and would do so for ever.
    pub(super) fn hold_loop(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        let path = self.absolute(at);
        let detail = format!(
            "{path} changed during its own run {LOOP} times in a row, so its command seems to change it; nothing is run \
             until you say `fsmonctl resume {}`; let the command write elsewhere, or exclude what it writes",
            self.name
        );
        if self.looping.is_none() {
            self.note(WatchChangeStatus::Held, Some(detail.clone()), ctx);
        }
        self.looping = Some(detail);
    }

    /// A person lets commands start again that were held for going round.
    pub fn unloop(&mut self) {
        self.looping = None;
        self.recent.clear();
        for at in self.pending.places() {
            if let Some(pending) = self.pending.get_mut(at) {
                pending.own_changes = 0;
            }
        }
    }
}
