//! `accept`: a person says of a held watch that what is there is right and done. The reconcile that follows is not
//! braked and makes nothing pending. Until it is complete that is part of the watch's row, so that it holds over a crash.

use fsmon_protocol::ApiError;
use fsmon_protocol::event::WatchChangeStatus;

use super::looping::LOOP;
use super::{Root, Watch};
use crate::io::StoreOp;
use crate::shared::Ctx;
use crate::sweep::Verdict;

impl Watch {
    /// Takes what is there as right and done. Gives how many files that were pending or failed are given up.
    ///
    /// Where it is held since a command makes its own work, only the files that go round are taken as done.
    pub fn accept(&mut self, ctx: &mut Ctx<'_>) -> Result<u64, ApiError> {
        let held = self.held.is_some();
        if !held && self.looping.is_none() {
            return Err(ApiError::refused(format!(
                "the watch '{}' is not held, so there is nothing to accept",
                self.name
            ))
            .hint(format!("`fsmonctl drop {} PATH` gives up what is pending of a file", self.name)));
        }
        if held && matches!(self.root, Root::Waiting(..)) {
            return Err(ApiError::refused(format!("the root of the watch '{}' is not there", self.name))
                .hint(format!("`fsmonctl show {}` says more; accept it when it is back", self.name)));
        }
        let goes_round = |watch: &Self, at: u32| watch.pending.get(at).is_some_and(|p| p.own_changes >= LOOP);
        let mut given_up = 0;
        for at in self.pending.places() {
            if held || goes_round(self, at) {
                self.resolve(at, Verdict::Vanished, ctx);
                given_up += 1;
            }
        }
        self.unloop();
        let what =
            if held { "what is there now is taken as done" } else { "the files that went round are taken as done" };
        self.note(WatchChangeStatus::Accepted, Some(format!("{what}; {given_up} were pending")), ctx);
        if self.held.take().is_some() {
            self.accepting = true;
            self.unbraked = true;
            self.want_scan();
            self.open(ctx);
        }
        // From here on replaying the journal makes nothing of before pending again.
        self.checkpoint(ctx);
        Ok(given_up)
    }

    /// The reconcile that takes everything as done is complete: that is stored with all it found, at once.
    pub(super) fn note_accepted(&mut self, ctx: &mut Ctx<'_>) {
        if std::mem::take(&mut self.accepting) {
            let detail = format!("{} are taken as done", self.contents());
            self.note(WatchChangeStatus::Accepted, Some(detail), ctx);
            self.checkpoint(ctx);
        }
    }

    /// What was to be accepted is not there any more. Whatever comes back is compared as ever.
    pub(super) fn stop_accepting(&mut self, ctx: &mut Ctx<'_>) {
        if std::mem::take(&mut self.accepting) {
            self.unbraked = false;
            ctx.store(StoreOp::Watch(Box::new(self.row())), None);
        }
    }
}
