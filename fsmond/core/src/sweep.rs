//! Sweeps: what `run-now`, `replay` and an occurrence of a schedule start. A reconcile of each watch, then runs; counted until
//! the last result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fsmon_protocol::rpc_types::{Again, SweepStage, SweepStatus};
use fsmon_protocol::run::Trigger;
use fsmon_protocol::units::{Span, Timestamp};

use crate::io::WatchId;

/// So many finished sweeps can still be asked for.
const KEPT: usize = 256;

/// What became of one file of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Processed.
    Ok,
    /// Its latest attempt failed.
    Failed,
    /// Gone before its turn, or no longer wanted.
    Vanished,
    /// Left for later, nobody knows when.
    NotRun,
    /// It waits for its ready file, nobody knows how long.
    NotReady,
}

/// What a sweep gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// What is pending.
    Pending,
    /// Every file.
    All,
    /// Some files once more, behind everything else.
    Again {
        /// Which.
        again: Again,
        /// How far apart.
        pause: Span,
        /// They are only counted.
        dry_run: bool,
    },
}

#[derive(Debug)]
struct Sweep {
    status: SweepStatus,
    reconciling: BTreeSet<WatchId>,
    trigger: Trigger,
    wanted: Wanted,
}

/// All sweeps, by number.
#[derive(Debug, Default)]
pub struct Sweeps {
    map: BTreeMap<u64, Sweep>,
    moved: BTreeSet<u64>,
}

impl Sweeps {
    /// Begins one over these watches.
    pub fn begin(&mut self, id: u64, trigger: Trigger, wanted: Wanted, watches: Vec<(WatchId, Arc<str>)>) {
        let status = SweepStatus {
            id,
            stage: SweepStage::Reconciling,
            watches: watches.iter().map(|(_, name)| name.to_string()).collect(),
            looked: 0,
            pending: 0,
            ok: 0,
            failed: 0,
            vanished: 0,
            set_aside: 0,
            not_run: 0,
            not_ready: 0,
        };
        let reconciling = watches.into_iter().map(|(id, _)| id).collect();
        self.map.insert(id, Sweep { status, reconciling, trigger, wanted });
        self.advance(id);
        while self.map.len() > KEPT {
            let Some(&oldest) = self.map.iter().find(|(_, s)| s.status.stage == SweepStage::Done).map(|(id, _)| id)
            else {
                return;
            };
            self.map.remove(&oldest);
        }
    }

    /// How far it is.
    pub fn status(&self, id: u64) -> Option<SweepStatus> {
        self.map.get(&id).map(|sweep| sweep.status.clone())
    }

    /// Whether it is not finished.
    pub fn runs(&self, id: u64) -> bool {
        self.map.get(&id).is_some_and(|sweep| sweep.status.stage != SweepStage::Done)
    }

    /// Why it runs, and what.
    pub fn wants(&self, id: u64) -> Option<(Trigger, Wanted)> {
        self.map.get(&id).map(|sweep| (sweep.trigger, sweep.wanted))
    }

    /// Whether what is pending counts for it.
    pub fn counts_pending(&self, id: u64) -> bool {
        self.wants(id).is_some_and(|(_, wanted)| !matches!(wanted, Wanted::Again { .. }))
    }

    /// Since when what has changed is given out again, where it is.
    pub fn since(&self, id: u64) -> Option<Timestamp> {
        match self.wants(id)?.1 {
            Wanted::Again { again: Again::Since(since), .. } => Some(since),
            _ => None,
        }
    }

    /// The reconcile of one of its watches is done: so many files wait for their result, so many failed ones do not.
    pub fn reconciled(&mut self, id: u64, watch: WatchId, looked: u64, pending: u64, set_aside: u64) {
        if let Some(sweep) = self.map.get_mut(&id) {
            sweep.reconciling.remove(&watch);
            sweep.status.looked += looked;
            sweep.status.pending += pending;
            sweep.status.set_aside += set_aside;
            self.advance(id);
        }
    }

    /// So many more files count for it, although a reconcile is still to tell the rest.
    pub fn joined(&mut self, id: u64, files: u64) {
        if let Some(sweep) = self.map.get_mut(&id) {
            sweep.status.pending += files;
            self.moved.insert(id);
        }
    }

    /// So many of those that joined it count no more.
    pub fn left(&mut self, id: u64, files: u64) {
        if let Some(sweep) = self.map.get_mut(&id) {
            sweep.status.pending -= files.min(sweep.status.pending);
            self.moved.insert(id);
        }
    }

    /// One of its watches can't be reconciled now: it is left out.
    pub fn unable(&mut self, id: u64, watch: WatchId) {
        self.reconciled(id, watch, 0, 0, 0);
    }

    /// One of its files has a result.
    pub fn result(&mut self, id: u64, verdict: Verdict) {
        if let Some(sweep) = self.map.get_mut(&id) {
            let count = match verdict {
                Verdict::Ok => &mut sweep.status.ok,
                Verdict::Failed => &mut sweep.status.failed,
                Verdict::Vanished => &mut sweep.status.vanished,
                Verdict::NotRun => &mut sweep.status.not_run,
                Verdict::NotReady => &mut sweep.status.not_ready,
            };
            *count += 1;
            self.advance(id);
        }
    }

    fn advance(&mut self, id: u64) {
        let Some(sweep) = self.map.get_mut(&id) else { return };
        let status = &mut sweep.status;
        let told = status.ok + status.failed + status.vanished + status.not_run + status.not_ready;
        let left = status.pending - told.min(status.pending);
        status.stage = if !sweep.reconciling.is_empty() {
            SweepStage::Reconciling
        } else if left > 0 {
            SweepStage::Running
        } else {
            SweepStage::Done
        };
        self.moved.insert(id);
    }

    /// Those that came further since this was last asked.
    pub fn take_moved(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.moved)
    }
}
