//! What has changed and is not yet processed: settling, the queue of what is ready, attempts.
//!
//! Per file there is at most one entry, however often it changes; news during a run makes the entry dirty, and dirty
//! makes exactly one more run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use fsmon_protocol::RawPath;
use fsmon_protocol::event::EventKind;
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::run::Trigger;

use crate::io::{NodeState, PendingRow, RunId};

/// Where a pending file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits until it is complete and quiet.
    Settling,
    /// A look confirms what the run will be given.
    Checking,
    /// It waits for a free place.
    Ready,
    /// Its run is being recorded, or its command runs; whether it changed since.
    Running(RunId, bool),
    /// It failed and waits to be tried again.
    Backoff,
    /// It was set aside after its last attempt.
    Failed,
}

/// One pending file.
#[derive(Debug, Clone)]
pub struct Pending {
    /// What happened to the file since it was last processed, all in all.
    pub kind: EventKind,
    /// Its absolute path before a rename.
    pub from: Option<RawPath>,
    /// Why a run is due.
    pub trigger: Trigger,
    /// Attempts made at this version.
    pub attempts: u32,
    /// The sweep that makes it pending, 0 for changes.
    pub sweep: u64,
    /// Sweeps that count on its result.
    pub waiters: Vec<u64>,
    /// What was seen last.
    pub seen: Option<Fingerprint>,
    /// How often in a row it changed during its own run.
    pub own_changes: u32,
    /// When it became pending.
    pub since: u64,
    /// When its last change was told.
    pub changed: u64,
    /// Until when it must look the same, if nobody can tell whether it is being written; 0 if its events tell.
    pub unsure: u64,
    /// Where it stands.
    pub stage: Stage,
    /// When that stage ends by itself; `u64::MAX` if it does not. Set by [`PendingMap::set_stage`] only.
    pub(super) due: u64,
}

impl Pending {
    /// A new one that has yet to settle.
    pub fn new(kind: EventKind, trigger: Trigger, now: u64) -> Self {
        Self {
            kind,
            from: None,
            trigger,
            attempts: 0,
            sweep: 0,
            waiters: Vec::new(),
            seen: None,
            own_changes: 0,
            since: now,
            changed: now,
            unsure: 0,
            stage: Stage::Settling,
            due: u64::MAX,
        }
    }

    /// As it is stored.
    pub fn to_state(&self) -> NodeState {
        let row = PendingRow {
            kind: self.kind,
            from: self.from.clone(),
            trigger: self.trigger,
            attempts: self.attempts,
            sweep: self.sweep,
        };
        if self.stage == Stage::Failed { NodeState::Failed(row) } else { NodeState::Pending(row) }
    }

    /// As it was stored; it settles anew.
    pub fn from_row(row: PendingRow, failed: bool, seen: Option<Fingerprint>) -> Self {
        Self {
            from: row.from,
            attempts: row.attempts,
            sweep: row.sweep,
            seen,
            stage: if failed { Stage::Failed } else { Stage::Settling },
            ..Self::new(row.kind, row.trigger, 0)
        }
    }
}

/// What happened all in all, when `old` is not yet processed and `new` happens. None: nothing is left to do.
pub fn merge(old: EventKind, new: EventKind) -> Option<EventKind> {
    use EventKind::{Attrib, Create, Delete, Modify, Rename};
    match (old, new) {
        (Create, Delete) => None,
        (Create, _) => Some(Create),
        (Delete, Create | Modify) => Some(Modify),
        (Rename, Modify | Create | Attrib) => Some(Rename),
        (_, Attrib) => Some(old),
        (_, new) => Some(new),
    }
}

/// All pending files of one watch.
#[derive(Debug, Default)]
pub struct PendingMap {
    map: HashMap<u32, Pending>,
    due: BinaryHeap<Reverse<(u64, u32)>>,
    ready: VecDeque<u32>,
    failed: u64,
    settling: u64,
    running: u32,
}

impl PendingMap {
    /// Files changed and not yet processed, failed ones not counted.
    pub fn pending(&self) -> u64 {
        self.map.len() as u64 - self.failed
    }

    /// Files set aside.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Files that are not yet known to be complete and as they were told.
    pub fn settling(&self) -> u64 {
        self.settling
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
        self.count(pending.stage, true);
        self.map.insert(at, pending);
    }

    /// Brings a file to a stage, which ends by itself at `due` (`u64::MAX`: never).
    pub fn set_stage(&mut self, at: u32, stage: Stage, due: u64) {
        let Some(pending) = self.map.get_mut(&at) else { return };
        let old = std::mem::replace(&mut pending.stage, stage);
        pending.due = due;
        self.count(old, false);
        self.count(stage, true);
        if due != u64::MAX {
            self.due.push(Reverse((due, at)));
        }
        if stage == Stage::Ready {
            self.ready.push_back(at);
            if self.ready.len() > 2 * self.map.len() + 1024 {
                // Files that became ready again and again, and nobody takes them.
                self.ready = self.take_all_ready().into();
            }
        }
    }

    /// Takes the entry away: processed, vanished or dropped.
    pub fn remove(&mut self, at: u32) -> Option<Pending> {
        let gone = self.map.remove(&at)?;
        self.count(gone.stage, false);
        Some(gone)
    }

    fn count(&mut self, stage: Stage, there: bool) {
        let change = |n: bool| u64::from(n);
        let settles = matches!(stage, Stage::Settling | Stage::Checking);
        if there {
            self.settling += change(settles);
            self.failed += change(stage == Stage::Failed);
            self.running += u32::from(matches!(stage, Stage::Running(..)));
        } else {
            self.settling -= change(settles);
            self.failed -= change(stage == Stage::Failed);
            self.running -= u32::from(matches!(stage, Stage::Running(..)));
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
        while let Some(at) = self.ready.pop_front() {
            if self.map.get(&at).is_some_and(|p| p.stage == Stage::Ready) {
                return Some(at);
            }
        }
        None
    }

    /// All that are ready, by place.
    pub fn take_all_ready(&mut self) -> Vec<u32> {
        let mut ready: Vec<u32> = std::mem::take(&mut self.ready).into();
        ready.sort_unstable();
        ready.dedup();
        ready.retain(|at| self.map.get(at).is_some_and(|p| p.stage == Stage::Ready));
        ready
    }

    /// The next moment at which a stage ends by itself.
    pub fn deadline(&self) -> Option<u64> {
        self.due.peek().map(|&Reverse((when, _))| when)
    }
}
