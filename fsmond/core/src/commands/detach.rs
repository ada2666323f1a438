//! Watches that the config no longer has, and those that it has again: the ledger is kept meanwhile, so that nothing is
//! processed twice and nothing is missed.

use fsmon_protocol::ApiError;
use fsmon_protocol::event::{WatchChange, WatchChangeStatus, What};
use fsmon_protocol::spec::WatchSpec;
use fsmon_protocol::status::DefinedBy;
use fsmon_protocol::units::Timestamp;

use super::Outcome;
use super::change::refuse_config;
use crate::io::{Effect, Kept, Name, Now, StoreOp, WatchId, WatchRow};
use crate::machine::{Machine, Promise};
use crate::shared::Ctx;
use crate::watch::Watch;

/// What is said where a watch is detached.
const DETACHED: &str = "nothing defines it any more; its ledger is kept for 7 days, should it come back";

impl Machine {
    /// Ends a watch of the config and keeps its ledger. Its commands run on, and count when it is back.
    pub(super) fn detach(&mut self, now: Now, wanted: &str, out: &mut Vec<Effect>) -> Result<Outcome, ApiError> {
        let id = self.find(wanted)?;
        let Some(mut watch) = self.watches.remove(&id) else {
            return Err(ApiError::bug("a watch that was found is not there"));
        };
        if let Err(refused) = refuse_config(&watch, DefinedBy::Config) {
            self.watches.insert(id, watch);
            return Err(refused);
        }
        let mut ctx = Ctx { now, out, shared: &mut self.shared };
        // What is pending is stored as such before it is let go.
        watch.checkpoint(&mut ctx);
        let (_, running) = watch.end(false, &mut ctx);
        watch.note(WatchChangeStatus::Detached, Some(DETACHED.to_owned()), &mut ctx);
        if running > 0 {
            self.detached.insert(id, watch.rules.retries);
        }
        Ok(Outcome::Promise(StoreOp::Detached { watch: id, since: now.wall, behind: running > 0 }, Promise::Done))
    }

    /// A watch that is defined again goes on from what was kept of it.
    pub(super) fn attach(
        &mut self,
        now: Now,
        mut spec: WatchSpec,
        only: Option<Name>,
        kept: Kept,
        out: &mut Vec<Effect>,
    ) -> Result<Outcome, ApiError> {
        self.admit(&mut spec)?;
        let Kept { row, since, nodes, ignores, journal } = kept;
        let id = row.id;
        if self.watches.contains_key(&id) {
            return Err(ApiError::bug("a watch that was detached is there"));
        }
        self.add_stored(WatchRow { defined_by: DefinedBy::Config, only, ..row }, spec)?;
        for node in nodes {
            self.restore(id, node);
        }
        self.restored(id);
        for (place, text) in ignores {
            self.restore_ignores(id, place, &text);
        }
        for row in &journal {
            self.replay(now, row);
        }
        self.returns(id, since);
        self.begin(id, now, out);
        let row = self.watches.get(&id).map(Watch::row);
        let row = row.ok_or_else(|| ApiError::bug("a watch that was attached is not there"))?;
        Ok(Outcome::Promise(StoreOp::Watch(Box::new(row)), Promise::Watches(vec![id])))
    }

    /// At the start: a watch that was stored and is not defined any more.
    pub fn detach_stored(&mut self, now: Now, row: &WatchRow, behind: bool, out: &mut Vec<Effect>) {
        let mut ctx = Ctx { now, out, shared: &mut self.shared };
        let change = WatchChange { status: WatchChangeStatus::Detached, detail: Some(DETACHED.to_owned()) };
        ctx.record(Some((row.id, &row.name)), What::Watch(change), None);
        ctx.store(StoreOp::Detached { watch: row.id, since: now.wall, behind }, None);
    }

    /// A restored watch was not defined since then, and is again.
    pub fn returns(&mut self, id: WatchId, since: Timestamp) {
        self.returned.insert(id, since);
    }
}
