//! What contradicts itself in the state of a watch: nothing, ever. Asked by the simulation after every step; it changes
//! nothing and is of no use to anything else.

use std::collections::HashSet;

use fsmon_protocol::event::GapReason;

use super::pending::Stage;
use super::{Handle, Watch};
use crate::tree::{Flags, ROOT};

impl Watch {
    /// Every contradiction, a sentence each.
    pub fn flaws(&self) -> Vec<String> {
        let mut flaws = Vec::new();
        for at in (0..self.tree.places()).filter(|&at| self.tree.in_use(at)) {
            self.flaws_of(at, &mut flaws);
        }
        let count =
            |flag| (0..self.tree.places()).filter(move |&at| self.tree.in_use(at) && self.tree.node(at).has(flag));
        if count(Flags::ARMED).count() as u64 != self.armed {
            flaws.push(format!("{} folders are counted as armed", self.armed));
        }
        if count(Flags::UNREADABLE).count() as u64 != self.unreadable {
            flaws.push(format!("{} folders are counted as unreadable", self.unreadable));
        }
        let seen: Vec<u32> = count(Flags::KNOWN).filter(|&at| !self.tree.node(at).has(Flags::HIDDEN)).collect();
        let folders = seen.iter().filter(|&&at| self.tree.node(at).is_dir()).count();
        if (folders as u64, (seen.len() - folders) as u64) != (self.tree.folders(), self.tree.files()) {
            flaws.push(format!("{} folders and {} files are counted", self.tree.folders(), self.tree.files()));
        }
        if self.limbo.iter().any(|l| self.tree.place(l.node).is_some_and(|at| !self.tree.node(at).has(Flags::MOVING))) {
            flaws.push("something in limbo is not marked so".to_owned());
        }
        let open = self.gaps.iter().filter(|gap| gap.reason != GapReason::Limit && !self.is_barred(gap));
        if self.acts() && self.scan_wanted.is_none() && open.into_iter().any(|gap| !gap.closing) {
            flaws.push("a gap is open and no reconcile is to come".to_owned());
        }
        if self.scan.is_none() && self.gaps.iter().any(|gap| gap.closing) {
            flaws.push("a gap waits for a reconcile that is not under way".to_owned());
        }
        if self.scan.is_none() && self.suspects.scanned() > 0 {
            flaws.push(format!("{} suspicions wait for a reconcile that is not under way", self.suspects.scanned()));
        }
        let there = |at: u32| self.tree.in_use(at) && self.tree.node(at).has(Flags::KNOWN);
        if self.processed.places().any(|at| !there(at)) {
            flaws.push("it is known what was processed of something that is not there".to_owned());
        }
        let queued: HashSet<Handle> = self.paced.queue.iter().copied().collect();
        let paced = |at: &u32| self.pending.get(*at).is_some_and(|pending| pending.stage == Stage::Paced);
        if self.pending.places().iter().filter(|at| paced(at)).any(|&at| !queued.contains(&self.tree.id(at))) {
            flaws.push("a file waits for its turn and has none".to_owned());
        }
        if self.ignores.places().any(|at| !self.tree.in_use(at) || !self.tree.node(at).is_dir()) {
            flaws.push("an ignore file is known in what is no folder".to_owned());
        }
        flaws
    }

    /// Whether the listing of a folder that has moved, or of one above it, is to come.
    fn listed_soon(&self, mut at: u32) -> bool {
        loop {
            if self.tree.node(at).has(Flags::LISTING) || self.tree.node(at).has(Flags::MOVING) {
                return true;
            }
            if at == ROOT {
                return false;
            }
            at = self.tree.node(at).parent();
        }
    }

    fn flaws_of(&self, at: u32, flaws: &mut Vec<String>) {
        let node = self.tree.node(at);
        let mut wrong = |what: &str| flaws.push(format!("{} ({at}): {what}: {node:?}", self.absolute(at)));
        if node.has(Flags::SUSPECT) != self.suspects.get(at).is_some() {
            wrong("the mark of a suspicion and the suspicion differ");
        }
        if node.has(Flags::PENDING) != self.pending.get(at).is_some() {
            wrong("the mark of what is pending and what is pending differ");
        }
        if node.has(Flags::MOVING) && self.limbo_of(at).is_none() {
            wrong("it is marked as moving and not in limbo");
        }
        if node.has(Flags::LISTING) && !self.listings.awaits(self.tree.id(at)) {
            wrong("its listing is awaited and was not asked for");
        }
        if node.has(Flags::UNLISTED) && !node.has(Flags::SUSPECT) {
            wrong("it is to be listed and nothing will do it");
        }
        if node.has(Flags::HIDDEN) && !node.has(Flags::KNOWN) {
            wrong("it is hidden and not known");
        }
        if node.has(Flags::ARMED) && !node.is_dir() {
            wrong("it is armed and no folder");
        }
        if node.has(Flags::DEFERRED) && self.scan.is_none() {
            wrong("it waits for a reconcile that is not under way");
        }
        // One that is gone may wait there for the run for its deletion.
        if at != ROOT && node.has(Flags::KNOWN) && !self.tree.node(node.parent()).is_dir() {
            wrong("it lies in what is no folder");
        }
        let holds = [Flags::KNOWN, Flags::PENDING, Flags::SUSPECT, Flags::MOVING, Flags::LISTING, Flags::DEFERRED];
        let idle = !holds.iter().any(|&flag| node.has(flag)) && !self.tree.has_children(at);
        if at != ROOT && idle && !self.listed_soon(node.parent()) {
            wrong("nobody needs it");
        }
    }
}
