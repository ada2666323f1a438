//! What has changed and is not yet processed: settling, the queue of what is ready, attempts.
//!
//! Per file there is at most one entry, however often it changes; news during a run makes the entry dirty, and dirty
//! makes exactly one more run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use indexmap::IndexMap;

use crate::lanes::Lanes;

pub use super::stage::{Leaving, Stage};
use super::waiters::Waiters;
pub use file::{Pending, merge};

mod file;

/// So many more than are needed there may be before anything is made smaller.
const FEW: usize = 1024;

/// All pending files of one watch.
#[derive(Debug, Default)]
pub struct PendingMap {
    /// Side by side in one block, which grows without being copied: a hundred thousand small ones would lie between what comes
    /// and goes, and hold its memory.
    map: IndexMap<u32, Pending>,
    due: BinaryHeap<Reverse<(u64, u32)>>,
    /// What is ready, by the size of the batch that it may share.
    ready: BTreeMap<u32, Ready>,
    /// The same in an order, where the watch has one.
    pub(super) lanes: Lanes,
    /// Who counts on their results.
    pub(super) waiters: Waiters,
    /// From which size the last batch was.
    turn: u32,
    failed: u64,
    leaving: u64,
    settling: u64,
    /// Files that are looked at once more, or ready.
    in_hand: u64,
    running: u32,
}

/// Files that are ready and may share a batch.
#[derive(Debug, Default)]
struct Ready {
    /// In order, with some that are ready no more.
    queue: VecDeque<u32>,
    /// How many are ready.
    count: usize,
    /// Whether one of them has waited for others long enough.
    waited: bool,
}

impl PendingMap {
    /// Files changed and not yet processed, failed ones not counted.
    pub fn pending(&self) -> u64 {
        self.map.len() as u64 - self.failed - self.leaving
    }

    /// Files set aside.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Files that are not yet known to be complete and as they were told.
    pub fn settling(&self) -> u64 {
        self.settling
    }

    /// Files that are looked at before their run, or wait for a free place.
    pub fn in_hand(&self) -> u64 {
        self.in_hand
    }

    /// Whether files wait for a free place.
    pub fn ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Files with a run.
    pub fn running(&self) -> u32 {
        self.running
    }

    /// The entry of this file.
    pub fn get(&self, at: u32) -> Option<&Pending> {
        self.map.get(&at)
    }

    /// The entry of this file, to change all but its stage.
    pub fn get_mut(&mut self, at: u32) -> Option<&mut Pending> {
        self.map.get_mut(&at)
    }

    /// The places of all pending files, sorted.
    pub fn places(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.map.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Makes a file pending, in the stage of `pending`; replaces an entry.
    pub fn insert(&mut self, at: u32, pending: Pending) {
        self.remove(at);
        self.count(pending.stage, pending.share, true);
        self.map.insert(at, pending);
    }

    /// Brings a file to a stage, which ends by itself at `due` (`u64::MAX`: never).
    pub fn set_stage(&mut self, at: u32, stage: Stage, due: u64) {
        let Some(pending) = self.map.get_mut(&at) else { return };
        let (old, share) = (std::mem::replace(&mut pending.stage, stage), pending.share);
        pending.due = due;
        self.count(old, share, false);
        self.count(stage, share, true);
        self.await_due(at, due);
        if stage == Stage::Ready {
            self.enqueue(at, share);
        } else if stage.is_over() {
            self.lanes.release(at);
        }
    }

    /// It may share a batch with so many.
    pub fn set_share(&mut self, at: u32, share: u32) {
        let Some(pending) = self.map.get_mut(&at).filter(|pending| pending.share != share) else { return };
        let (stage, old) = (pending.stage, std::mem::replace(&mut pending.share, share));
        self.count(stage, old, false);
        self.count(stage, share, true);
        if stage == Stage::Ready {
            self.enqueue(at, share);
        }
    }

    fn await_due(&mut self, at: u32, due: u64) {
        if due != u64::MAX {
            self.due.push(Reverse((due, at)));
        }
        let most = self.map.len() + self.map.len() / 4 + FEW;
        if self.due.len() > most {
            // Of a file that is written and closed often, what was due before would stay until its time. The room is what
            // it may come to: one that grows by itself is doubled.
            let mut due = Vec::with_capacity(most + 1);
            let waiting = self.map.iter().filter(|(_, pending)| pending.due != u64::MAX);
            due.extend(waiting.map(|(&at, pending)| Reverse((pending.due, at))));
            self.due = due.into();
        }
    }

    fn enqueue(&mut self, at: u32, share: u32) {
        let ready = self.ready.entry(share).or_default();
        ready.queue.push_back(at);
        if ready.queue.len() > 2 * ready.count + FEW {
            // Files that became ready again and again, and nobody takes them.
            let mut all: Vec<u32> = std::mem::take(&mut ready.queue).into();
            all.sort_unstable();
            all.dedup();
            all.retain(|&at| is_ready(&self.map, at, share));
            ready.queue = all.into();
        }
    }

    /// Takes the entry away: processed, vanished or dropped.
    pub fn remove(&mut self, at: u32) -> Option<Pending> {
        let gone = self.map.swap_remove(&at)?;
        if self.map.len() < self.map.capacity() / 4 {
            self.map.shrink_to(2 * self.map.len() + FEW);
        }
        self.lanes.release(at);
        self.waiters.forget(at);
        self.count(gone.stage, gone.share, false);
        Some(gone)
    }

    fn count(&mut self, stage: Stage, share: u32, there: bool) {
        let settles = matches!(stage, Stage::Settling | Stage::Checking);
        let (failed, runs) = (stage == Stage::Failed, matches!(stage, Stage::Running(..)));
        let leaving = u64::from(stage == Stage::Leaving);
        let in_hand = u64::from(matches!(stage, Stage::Checking | Stage::Ready));
        if there {
            self.settling += u64::from(settles);
            self.failed += u64::from(failed);
            self.leaving += leaving;
            self.in_hand += in_hand;
            self.running += u32::from(runs);
        } else {
            self.settling -= u64::from(settles);
            self.failed -= u64::from(failed);
            self.leaving -= leaving;
            self.in_hand -= in_hand;
            self.running -= u32::from(runs);
        }
        if stage == Stage::Ready {
            let ready = self.ready.entry(share).or_default();
            ready.count = if there { ready.count + 1 } else { ready.count - 1 };
            if ready.count == 0 {
                self.ready.remove(&share);
            }
        }
    }

    /// Those whose stage ends by now, each once, in order.
    pub fn take_due(&mut self, now: u64) -> Vec<u32> {
        let mut due = Vec::new();
        while let Some(&Reverse((when, at))) = self.due.peek()
            && when <= now
        {
            self.due.pop();
            if let Some(pending) = self.map.get_mut(&at)
                && pending.due == when
            {
                pending.due = u64::MAX;
                due.push(at);
            }
        }
        due
    }

    /// The next that is ready, oldest first.
    pub fn take_ready(&mut self) -> Option<u32> {
        let (&share, ready) = self.ready.iter_mut().next()?;
        while let Some(at) = ready.queue.pop_front() {
            if is_ready(&self.map, at, share) {
                return Some(at);
            }
        }
        None
    }

    /// The next that is ready in the order of its watch, and whose lane is free.
    pub fn take_next(&mut self) -> Option<u32> {
        let map = &self.map;
        self.lanes.take(|at| map.get(&at).is_some_and(|pending| pending.stage == Stage::Ready))
    }

    /// All that are ready, by place.
    pub fn take_all_ready(&mut self) -> Vec<u32> {
        let mut all = Vec::new();
        for (&share, ready) in &mut self.ready {
            all.extend(ready.queue.drain(..).filter(|&at| is_ready(&self.map, at, share)));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// A file that is ready has waited for others long enough.
    pub fn waited(&mut self, at: u32) {
        let share = self.map.get(&at).map(|pending| pending.share);
        if let Some(ready) = share.and_then(|share| self.ready.get_mut(&share)) {
            ready.waited = true;
        }
    }

    /// The files of the next batch of at most `max`, oldest first; none, where too few have waited too short. Files
    /// that failed together are not mixed with others. Whoever is taken must be brought to a stage.
    pub fn take_batch(&mut self, max: u32) -> Vec<u32> {
        let full = |share: u32| usize::try_from(share.min(max)).unwrap_or(usize::MAX);
        let due = |(&share, ready): (&u32, &Ready)| (ready.waited || ready.count >= full(share)).then_some(share);
        let next = self.ready.range((Excluded(self.turn), Unbounded)).find_map(due);
        let Some(share) = next.or_else(|| self.ready.range(..=self.turn).find_map(due)) else { return Vec::new() };
        let Some(ready) = self.ready.get_mut(&share) else { return Vec::new() };
        self.turn = share;
        // A file that became ready twice is in the queue twice.
        let (mut batch, mut taken) = (Vec::new(), HashSet::new());
        while batch.len() < full(share)
            && let Some(at) = ready.queue.pop_front()
        {
            if is_ready(&self.map, at, share) && taken.insert(at) {
                batch.push(at);
            }
        }
        batch
    }

    /// The next moment at which a stage ends by itself.
    pub fn deadline(&self) -> Option<u64> {
        self.due.peek().map(|&Reverse((when, _))| when)
    }
}

/// Whether it is ready and may share a batch with so many.
fn is_ready(map: &IndexMap<u32, Pending>, at: u32, share: u32) -> bool {
    map.get(&at).is_some_and(|pending| pending.stage == Stage::Ready && pending.share == share)
}
