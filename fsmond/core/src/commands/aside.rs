//! `retry` and `drop`: what a person decides about files that are pending or were set aside.

use fsmon_protocol::path::quote;
use fsmon_protocol::{ApiError, RawPath};

use super::Outcome;
use crate::io::{Effect, Now, StoreOp};
use crate::machine::{Machine, Promise};
use crate::shared::Ctx;
use crate::watch::Watch;

impl Machine {
    pub(super) fn retry(
        &mut self,
        now: Now,
        wanted: &str,
        paths: &[RawPath],
        out: &mut Vec<Effect>,
    ) -> Result<Outcome, ApiError> {
        let missing = |path: &RawPath, watch: &Watch| {
            ApiError::not_found(format!(
                "no failed file of the watch '{}' is at {}",
                watch.name,
                quote(path.as_bytes())
            ))
            .hint(format!("`fsmonctl failures {}` lists them", watch.name))
        };
        self.decide(now, wanted, paths, out, missing, Watch::failed_places, Watch::retry_failed)
    }

    pub(super) fn give_up(
        &mut self,
        now: Now,
        wanted: &str,
        paths: &[RawPath],
        out: &mut Vec<Effect>,
    ) -> Result<Outcome, ApiError> {
        if paths.is_empty() {
            return Err(ApiError::usage("no file is named").hint("say which: `fsmonctl drop WATCH PATH…`"));
        }
        let missing = |path: &RawPath, watch: &Watch| {
            let what =
                format!("nothing of the watch '{}' is pending or failed at {}", watch.name, quote(path.as_bytes()));
            ApiError::not_found(what).hint(format!("`fsmonctl files {} --state pending` lists what is", watch.name))
        };
        self.decide(now, wanted, paths, out, missing, Watch::pending_places, Watch::give_up)
    }

    /// Does something with files of a watch: all that are named or none. The answer comes when it is durable.
    #[allow(clippy::too_many_arguments, reason = "the two verbs differ in the last three")]
    fn decide(
        &mut self,
        now: Now,
        wanted: &str,
        paths: &[RawPath],
        out: &mut Vec<Effect>,
        missing: impl Fn(&RawPath, &Watch) -> ApiError,
        candidates: fn(&Watch) -> Vec<u32>,
        act: fn(&mut Watch, &[u32], &mut Ctx<'_>),
    ) -> Result<Outcome, ApiError> {
        let id = self.find(wanted)?;
        let Some(watch) = self.watches.get(&id) else { return Ok(Outcome::Now(crate::io::Answer::Count(0))) };
        let all = candidates(watch);
        let mut chosen: Vec<u32> = if paths.is_empty() { all.clone() } else { Vec::new() };
        for path in paths {
            let here = watch.at_or_below(path, &all);
            if here.is_empty() {
                return Err(missing(path, watch));
            }
            chosen.extend(here);
        }
        chosen.sort_unstable();
        chosen.dedup();
        let count = chosen.len() as u64;
        if count == 0 {
            return Ok(Outcome::Now(crate::io::Answer::Count(0)));
        }
        let mut row = watch.row();
        self.with(id, now, out, |watch, ctx| {
            act(watch, &chosen, ctx);
            // No record can be replayed into this, so what follows of it is stored whole.
            watch.checkpoint(ctx);
            row = watch.row();
        });
        Ok(Outcome::Promise(StoreOp::Watch(Box::new(row)), Promise::Count(count)))
    }
}
