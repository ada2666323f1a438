//! The places of commands: how many of each watch run, and which wait for one of them to end.
//!
//! Where commands are short the core gives out a few more than there are places for. They begin in order, each on the thread
//! of the one whose place it takes, so that a place is not free for as long as it takes to tell the core and to be told by
//! it. How many there may be is the core's business; it has them taken back when they are not to begin any more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use fsmon_core::io::{RunId, SpawnRequest, WatchId};

/// Those of all watches.
#[derive(Default)]
pub(super) struct Places {
    watches: HashMap<WatchId, OfWatch>,
}

#[derive(Default)]
struct OfWatch {
    taken: u32,
    waiting: VecDeque<Arc<SpawnRequest>>,
}

impl Places {
    /// A place for this command, or it waits. Returns whether it has one.
    pub(super) fn take(&mut self, request: &Arc<SpawnRequest>) -> bool {
        let watch = self.watches.entry(request.watch).or_default();
        let free = watch.taken < request.rules.concurrency;
        if free {
            watch.taken += 1;
        } else {
            watch.waiting.push_back(Arc::clone(request));
        }
        free
    }

    /// A command of this watch has ended: the one that takes its place, if one waits.
    pub(super) fn pass_on(&mut self, watch: WatchId) -> Option<Arc<SpawnRequest>> {
        let of = self.watches.get_mut(&watch)?;
        if let Some(next) = of.waiting.pop_front() {
            return Some(next);
        }
        of.taken = of.taken.saturating_sub(1);
        if of.taken == 0 {
            self.watches.remove(&watch);
        }
        None
    }

    /// Those of this watch that wait are not to begin, or only this one.
    pub(super) fn take_back(&mut self, watch: WatchId, only: Option<RunId>) -> Vec<RunId> {
        let Some(of) = self.watches.get_mut(&watch) else { return Vec::new() };
        let is_meant = |request: &Arc<SpawnRequest>| only.is_none_or(|only| request.run == only);
        let (taken, left) = of.waiting.drain(..).partition(is_meant);
        of.waiting = left;
        runs(taken)
    }

    /// None that waits is to begin.
    pub(super) fn take_back_all(&mut self) -> Vec<RunId> {
        self.watches.values_mut().flat_map(|of| runs(std::mem::take(&mut of.waiting))).collect()
    }
}

fn runs(requests: VecDeque<Arc<SpawnRequest>>) -> Vec<RunId> {
    requests.into_iter().map(|request| request.run).collect()
}
