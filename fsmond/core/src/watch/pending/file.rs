//! One pending file: what happened to it, what was seen, and where it stands.

use fsmon_protocol::RawPath;
use fsmon_protocol::event::EventKind;
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::run::Trigger;

use super::{Leaving, Stage};
use crate::io::{NodeState, PendingRow};

/// One pending file.
#[derive(Debug, Clone)]
pub struct Pending {
    /// What happened to the file since it was last processed, all in all.
    pub kind: EventKind,
    /// Its absolute path before a rename. Apart, since few were renamed and many may be pending.
    pub from: Option<Box<RawPath>>,
    /// Why a run is due.
    pub trigger: Trigger,
    /// Attempts made at this version.
    pub attempts: u32,
    /// The sweep that makes it pending, 0 for changes.
    pub sweep: u64,
    /// What was seen last.
    pub seen: Option<Fingerprint>,
    /// Since when that is what is seen; `u64::MAX` where that is not known.
    pub seen_since: u64,
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
    pub(in super::super) due: u64,
    /// With how many others it may share a batch: fewer each time that one of them failed. Set by
    /// [`PendingMap::set_share`] only.
    pub(in super::super) share: u32,
    /// Whether it is being moved or deleted.
    pub(in super::super) leaving: Leaving,
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
            seen: None,
            seen_since: u64::MAX,
            own_changes: 0,
            since: now,
            changed: now,
            unsure: 0,
            stage: Stage::Settling,
            due: u64::MAX,
            share: u32::MAX,
            leaving: Leaving::No,
        }
    }

    /// A look saw this.
    pub fn saw(&mut self, seen: Fingerprint, now: u64) {
        if self.seen != Some(seen) || self.seen_since == u64::MAX {
            (self.seen, self.seen_since) = (Some(seen), now);
        }
    }

    /// Its absolute path before a rename.
    pub fn path_before(&self) -> Option<RawPath> {
        self.from.as_deref().cloned()
    }

    /// As it is stored.
    pub fn to_state(&self) -> NodeState {
        let row = PendingRow {
            kind: self.kind,
            from: self.path_before(),
            trigger: self.trigger,
            attempts: self.attempts,
            sweep: self.sweep,
            share: (self.share != u32::MAX).then_some(self.share),
        };
        match self.stage {
            Stage::Failed => NodeState::Failed(row),
            Stage::Leaving => NodeState::Leaving(row),
            _ => NodeState::Pending(row),
        }
    }

    /// As it was stored, in one of the stages that are stored.
    pub fn from_row(row: PendingRow, stage: Stage, seen: Option<Fingerprint>) -> Self {
        Self {
            from: row.from.map(Box::new),
            attempts: row.attempts,
            sweep: row.sweep,
            share: row.share.unwrap_or(u32::MAX),
            seen,
            stage,
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
