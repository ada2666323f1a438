//! `run-now`: reconcile, then run what is pending, or every file. A person who says so wants it tried, whatever failed.

use fsmon_protocol::ApiError;
use fsmon_protocol::run::Trigger;

use super::Outcome;
use crate::io::{Effect, Now, WatchId};
use crate::machine::Machine;
use crate::sweep::Wanted;

impl Machine {
    pub(super) fn run_now(
        &mut self,
        now: Now,
        wanted: &[String],
        all_files: bool,
        out: &mut Vec<Effect>,
    ) -> Result<Outcome, ApiError> {
        let ids = self.find_all(wanted)?;
        if self.watches.is_empty() {
            return Err(ApiError::refused("there is no watch to run").hint("add one: `fsmonctl add PATH [-- COMMAND]`"));
        }
        let mut able = Vec::new();
        for id in ids {
            match self.refusal(id) {
                None => able.push(id),
                Some(error) if !wanted.is_empty() => return Err(error),
                Some(_) => {}
            }
        }
        if able.is_empty() {
            return Err(ApiError::refused("every watch is paused, held or without its root")
                .hint("`fsmonctl list` says which, `fsmonctl resume WATCH` lets one go on"));
        }
        let sweep = self.shared.seq();
        let named = able.iter().filter_map(|id| Some((*id, self.watches.get(id)?.name.clone()))).collect();
        let what = if all_files { Wanted::All } else { Wanted::Pending };
        self.shared.sweeps.begin(sweep, Trigger::Manual, what, named);
        for id in able {
            self.with(id, now, out, |watch, ctx| {
                watch.close_breaker(ctx);
                watch.want_scan_for(sweep, &mut ctx.shared.sweeps);
            });
        }
        self.sweep(sweep)
    }

    /// Why a watch can't run now, if so.
    pub(super) fn refusal(&self, id: WatchId) -> Option<ApiError> {
        let watch = self.watches.get(&id)?;
        if watch.paused {
            let what = format!("the watch '{}' is paused", watch.name);
            return Some(ApiError::refused(what).hint(format!("`fsmonctl resume {}` lets it run", watch.name)));
        }
        if watch.unable() {
            let what = format!("the watch '{}' can't be looked at now", watch.name);
            return Some(ApiError::refused(what).hint(format!("`fsmonctl show {}` says why", watch.name)));
        }
        None
    }
}
