//! The ledger: a checkpoint of the journal up to a number. Rows that changed are gathered and stored now and then;
//! at start the rows are loaded, and `replay` goes on from there.

use std::collections::{BTreeSet, HashMap};

use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::spec::Dedupe;

use super::Watch;
use super::pending::{Pending, Stage};
use crate::ident::{ctime_hash, ident};
use crate::io::{Ack, Checkpoint, NodeRow, NodeState, StoreOp};
use crate::shared::Ctx;
use crate::tree::{Flags, ROOT, Tree};

/// So many changed rows make a checkpoint due.
pub(super) const MANY: usize = 4096;
/// And so long after the first of them, in nanoseconds.
const AGE: u64 = 5_000_000_000;

/// And so long after a change that is in no record.
const SOON: u64 = 100_000_000;

/// Full fingerprints of entries whose rows are not yet stored, by place.
type Fresh = HashMap<u32, Fingerprint>;

/// What is not yet stored of one watch's ledger.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The last journal number of this watch.
    pub upto: u64,
    /// The rows that are stored hold everything up to this number; later records are replayed at the next start.
    pub checkpoint: u64,
    dirty: Vec<u32>,
    freed: BTreeSet<u32>,
    fresh: Fresh,
    /// When a checkpoint is due.
    due: Option<u64>,
    /// One is being stored.
    storing: bool,
    changed: bool,
    /// While replaying: entries with an event since their last run began.
    pub touched: BTreeSet<u32>,
}

impl Ledger {
    /// One that holds everything up to this number; whether the watch's own row is stored otherwise than it is.
    pub fn new(upto: u64, changed: bool) -> Self {
        Self {
            upto,
            checkpoint: upto,
            dirty: Vec::new(),
            freed: BTreeSet::new(),
            fresh: Fresh::new(),
            due: None,
            storing: false,
            changed,
            touched: BTreeSet::new(),
        }
    }

    /// An entry's row changed; `seen` where its fingerprint is known.
    pub fn dirty(&mut self, tree: &mut Tree, at: u32, seen: Option<Fingerprint>) {
        if let Some(seen) = seen {
            self.fresh.insert(at, seen);
        }
        let node = tree.node_mut(at);
        if !node.has(Flags::DIRTY) {
            node.set(Flags::DIRTY);
            self.dirty.push(at);
        }
        self.freed.remove(&at);
        self.changed = true;
    }

    /// A look saw an entry that is not yet stored as it is.
    pub fn seen(&mut self, at: u32, tree: &Tree, seen: Fingerprint) {
        if tree.node(at).has(Flags::DIRTY) {
            self.fresh.insert(at, seen);
        }
    }

    /// The fingerprint of an entry, where it is still known in full.
    pub fn fresh(&self, at: u32) -> Option<Fingerprint> {
        self.fresh.get(&at).copied()
    }

    /// The content of one entry is now that of another.
    pub fn inherit(&mut self, from: u32, to: u32) {
        match self.fresh.get(&from).copied() {
            Some(seen) => drop(self.fresh.insert(to, seen)),
            None => drop(self.fresh.remove(&to)),
        }
    }

    /// An entry is no more.
    pub fn freed(&mut self, at: u32) {
        self.fresh.remove(&at);
        self.freed.insert(at);
        self.changed = true;
    }

    /// The watch's own row changed.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// A row changed of which no record tells: were it lost, the next scan would take it for a change.
    pub fn soon(&mut self, now: u64) {
        let soon = now.saturating_add(SOON);
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// A checkpoint is due at once.
    pub fn hurry(&mut self) {
        self.due = Some(0);
    }

    /// The checkpoint under way is stored.
    pub fn stored(&mut self) {
        self.storing = false;
    }

    /// Whether a checkpoint is being stored.
    pub fn storing(&self) -> bool {
        self.storing
    }

    /// When a checkpoint is due.
    pub fn deadline(&self) -> Option<u64> {
        if self.storing { None } else { self.due }
    }
}

impl Watch {
    /// Stores what changed, when it is much or a while ago, and none is being stored.
    pub(super) fn maybe_checkpoint(&mut self, ctx: &mut Ctx<'_>) {
        let ledger = &mut self.ledger;
        if ledger.changed && ledger.due.is_none() {
            ledger.due = Some(ctx.now.mono.saturating_add(AGE));
        }
        let many = ledger.dirty.len() + ledger.freed.len() >= MANY;
        if !ledger.storing && (many || ledger.due.is_some_and(|due| due <= ctx.now.mono)) {
            self.checkpoint(ctx);
        }
    }

    /// Stores what changed.
    pub fn checkpoint(&mut self, ctx: &mut Ctx<'_>) {
        let mut changed = std::mem::take(&mut self.ledger.dirty);
        changed.sort_unstable();
        changed.dedup();
        let mut rows = Vec::with_capacity(changed.len());
        for at in changed {
            if !self.tree.in_use(at) || at == ROOT {
                continue;
            }
            self.tree.node_mut(at).clear(Flags::DIRTY);
            let node = self.tree.node(at);
            // A folder that is gone is kept while the deletion of a file in it is still to be processed.
            let waits = |at: u32| self.tree.node(at).has(Flags::PENDING);
            let holds = node.has(Flags::KNOWN) || self.tree.subtree(at).into_iter().any(waits);
            if holds {
                rows.push(self.node_row(at));
            } else {
                self.ledger.freed.insert(at);
            }
        }
        rows.sort_by(|a, b| (a.parent, &a.name).cmp(&(b.parent, &b.name)));
        let freed = std::mem::take(&mut self.ledger.freed).into_iter().collect();
        self.ledger.fresh = Fresh::new();
        (self.ledger.due, self.ledger.changed, self.ledger.storing) = (None, false, true);
        // Every record up to now was handed out before this and so is stored before it.
        self.ledger.upto = ctx.shared.next_seq - 1;
        self.ledger.checkpoint = self.ledger.upto;
        let ignores = self.ignores.take_unstored();
        let checkpoint = Checkpoint { watch: self.row(), rows, freed, ignores };
        ctx.store(StoreOp::Checkpoint(Box::new(checkpoint)), Some(Ack::Checkpoint(self.id)));
    }

    /// The checkpoint is stored.
    pub fn on_checkpoint_stored(&mut self) {
        self.ledger.stored();
    }

    fn node_row(&self, at: u32) -> NodeRow {
        let node = self.tree.node(at);
        let pending = self.pending.get(at);
        let seen = self.ledger.fresh.get(&at).copied().or_else(|| pending.and_then(|p| p.seen));
        let dir = node.is_dir().then_some(Fingerprint { inode: self.tree.inode(at), size: 0, mtime: 0, ctime: 0 });
        // One in limbo is stored where it was: that is what the journal has told.
        let from = self.limbo_of(at);
        NodeRow {
            index: at,
            parent: from.map_or(node.parent(), |from| from.folder.index),
            name: from.map_or(node.name(), |from| &from.name).into(),
            file_type: node.file_type,
            known: node.has(Flags::KNOWN),
            mount_point: node.has(Flags::MOUNT),
            hidden: node.has(Flags::HIDDEN).then_some(node.mark),
            seen: dir.or(seen),
            processed: self.processed.stored(at),
            state: pending.map_or(NodeState::Clean, Pending::to_state),
        }
    }

    /// Takes one stored row. Returns false where it makes no sense beside the others.
    pub fn restore(&mut self, row: NodeRow) -> bool {
        if !self.tree.insert_at(row.index, row.parent, &row.name, row.file_type) {
            return false;
        }
        let node = self.tree.node_mut(row.index);
        if let Some(seen) = &row.seen {
            let dir = row.file_type == FileType::Dir;
            node.ident = if dir && seen.inode == 0 { 0 } else { ident(row.file_type, seen) };
            node.ctime = ctime_hash(seen.ctime);
        }
        if row.mount_point {
            node.set(Flags::MOUNT);
        }
        self.tree.set_known(row.index, row.known);
        if let Some(digest) = row.processed.filter(|_| self.rules.dedupe != Dedupe::Off) {
            self.processed.restore(row.index, digest);
        }
        if row.hidden.is_some() {
            self.tree.set_hidden(row.index, row.hidden);
        }
        let (pending, stage) = match row.state {
            NodeState::Clean => return true,
            NodeState::Pending(row) => (row, Stage::Settling),
            NodeState::Failed(row) => (row, Stage::Failed),
            NodeState::Leaving(row) => (row, Stage::Leaving),
        };
        self.pending.insert(row.index, Pending::from_row(pending, stage, row.seen));
        self.doubt_left(row.index);
        self.tree.node_mut(row.index).set(Flags::PENDING);
        true
    }

    /// After the last stored row. Returns how many made no sense and were dropped; the scan finds what they stood for.
    pub fn restored(&mut self) -> u32 {
        let dropped = self.tree.link_inserted();
        for at in self.pending.places() {
            if !self.tree.in_use(at) {
                self.pending.remove(at);
            }
        }
        for at in self.processed.places().filter(|&at| !self.tree.in_use(at)).collect::<Vec<_>>() {
            self.processed.forget(at);
        }
        dropped
    }
}
