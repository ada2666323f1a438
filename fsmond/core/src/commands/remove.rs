//! `remove`: watches end, all of those named or none.

use fsmon_protocol::ApiError;
use fsmon_protocol::event::WatchChangeStatus;
use fsmon_protocol::rpc_types::Removed;
use fsmon_protocol::status::DefinedBy;

use super::Outcome;
use super::change::refuse_config;
use crate::io::{Effect, Now, StoreOp};
use crate::machine::{Machine, Promise};
use crate::shared::Ctx;

impl Machine {
    pub(super) fn remove(
        &mut self,
        now: Now,
        watches: &[String],
        kill: bool,
        by: DefinedBy,
        out: &mut Vec<Effect>,
    ) -> Result<Outcome, ApiError> {
        if watches.is_empty() {
            return Err(ApiError::usage("no watch is named").hint("say which: `fsmonctl list` shows them"));
        }
        let ids = self.find_all(watches)?;
        for watch in ids.iter().filter_map(|id| self.watches.get(id)) {
            refuse_config(watch, by)?;
        }
        let mut removed = Vec::new();
        for id in ids {
            let Some(mut watch) = self.watches.remove(&id) else { continue };
            let mut ctx = Ctx { now, out, shared: &mut self.shared };
            let (dropped, running) = watch.end(kill, &mut ctx);
            watch.note(WatchChangeStatus::Removed, Some(watch.spec.path.clone()), &mut ctx);
            ctx.store(StoreOp::WatchRemoved(id), None);
            removed.push(Removed { name: watch.name.to_string(), path: watch.spec.path, dropped, running });
        }
        Ok(Outcome::Promise(self.save_watches(), Promise::Removed(removed)))
    }
}
