//! `replay` for people: reconcile, then give files out again, at a pace and behind what changes. The sweep is that of
//! `run-now`. (In the core the word replay is the journal's.)

use fsmon_protocol::ApiError;
use fsmon_protocol::rpc_types::ReplayRequest;
use fsmon_protocol::run::Trigger;

use super::Outcome;
use crate::io::{Effect, Now};
use crate::machine::Machine;
use crate::sweep::Wanted;

impl Machine {
    pub(super) fn give_again(
        &mut self,
        now: Now,
        request: &ReplayRequest,
        out: &mut Vec<Effect>,
    ) -> Result<Outcome, ApiError> {
        let id = self.find(&request.watch)?;
        if let Some(refusal) = self.refusal(id).or_else(|| self.gives_nothing(id)) {
            return Err(refusal);
        }
        let sweep = self.shared.seq();
        let ReplayRequest { again, pause, dry_run, .. } = *request;
        let named = self.watches.get(&id).map(|watch| (id, watch.name.clone())).into_iter().collect();
        self.shared.sweeps.begin(sweep, Trigger::Manual, Wanted::Again { again, pause, dry_run }, named);
        self.with(id, now, out, |watch, ctx| watch.want_scan_for(sweep, &mut ctx.shared.sweeps));
        self.sweep(sweep)
    }

    /// Why no file of a watch is given out by itself, if so.
    fn gives_nothing(&self, id: crate::io::WatchId) -> Option<ApiError> {
        let watch = self.watches.get(&id)?;
        if watch.rules.command.is_empty() {
            let what = format!("the watch '{}' has no command to give files to", watch.name);
            return Some(
                ApiError::refused(what).hint(format!("`fsmonctl set {} -- COMMAND…` gives it one", watch.name)),
            );
        }
        if watch.runs_once() {
            let what = format!("the command of '{}' runs once for the whole watch, never for a file", watch.name);
            return Some(ApiError::refused(what).hint(format!("`fsmonctl run-now {}` runs it", watch.name)));
        }
        None
    }
}
