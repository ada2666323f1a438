//! `set`, `set-interval`, `pause`, `resume`, `accept`: what can be changed of a watch while it watches.

use fsmon_protocol::ApiError;
use fsmon_protocol::event::WatchChangeStatus;
use fsmon_protocol::spec::Options;
use fsmon_protocol::status::DefinedBy;
use fsmon_protocol::units::SpanOrOff;

use super::Outcome;
use crate::io::{Effect, Now, StoreOp};
use crate::machine::{Machine, Promise};
use crate::watch::Watch;

/// Watches of the config file are changed there.
pub(super) fn refuse_config(watch: &Watch, by: DefinedBy) -> Result<(), ApiError> {
    if watch.defined_by == DefinedBy::Config && by == DefinedBy::Runtime {
        return Err(ApiError::refused(format!("the watch '{}' is defined in the config file", watch.name))
            .hint("change it there (fsmond.toml) and say `fsmonctl reload`"));
    }
    Ok(())
}

/// The options of a watch once these are given and those are taken back.
pub(super) fn changed(watch: &Watch, given: Options, unset: &[String]) -> Result<Options, ApiError> {
    let mut options = watch.spec.options.clone();
    options.unset(unset)?;
    Ok(given.or(&options))
}

impl Machine {
    pub(super) fn set(
        &mut self,
        now: Now,
        wanted: &str,
        options: Options,
        unset: &[String],
        by: DefinedBy,
        out: &mut Vec<Effect>,
    ) -> Result<Outcome, ApiError> {
        let id = self.find(wanted)?;
        let defaults = self.settings.defaults.clone();
        let mut result = Ok(());
        self.with(id, now, out, |watch, ctx| {
            // From the file come all options of a watch, from a person those to change.
            let options = if by == DefinedBy::Config { Ok(options) } else { changed(watch, options, unset) };
            result = refuse_config(watch, by).and(options).and_then(|options| watch.set(options, &defaults, ctx));
            if result.is_ok() {
                watch.note(WatchChangeStatus::Changed, None, ctx);
                ctx.store(StoreOp::Watch(Box::new(watch.row())), None);
            }
        });
        result?;
        Ok(Outcome::Promise(self.save_watches(), Promise::Watches(vec![id])))
    }

    pub(super) fn set_interval(
        &mut self,
        now: Now,
        wanted: &str,
        every: SpanOrOff,
        out: &mut Vec<Effect>,
    ) -> Result<Outcome, ApiError> {
        let options = Options { every: Some(every), ..Options::default() };
        self.set(now, wanted, options, &[], DefinedBy::Runtime, out)
    }

    pub(super) fn pause(
        &mut self,
        now: Now,
        wanted: &[String],
        pause: bool,
        out: &mut Vec<Effect>,
    ) -> Result<Outcome, ApiError> {
        if wanted.is_empty() {
            return Err(ApiError::usage("no watch is named").hint("say which: `fsmonctl list` shows them"));
        }
        let ids = self.find_all(wanted)?;
        for &id in &ids {
            self.with(id, now, out, |watch, ctx| {
                let changes = watch.paused != pause;
                watch.paused = pause;
                if changes {
                    let status = if pause { WatchChangeStatus::Paused } else { WatchChangeStatus::Resumed };
                    watch.note(status, None, ctx);
                }
                if !pause {
                    watch.unhold(ctx);
                    watch.unloop();
                    watch.close_breaker(ctx);
                }
                ctx.store(StoreOp::Watch(Box::new(watch.row())), None);
            });
        }
        Ok(Outcome::Promise(self.save_watches(), Promise::Watches(ids)))
    }

    pub(super) fn accept(&mut self, now: Now, wanted: &str, out: &mut Vec<Effect>) -> Result<Outcome, ApiError> {
        let id = self.find(wanted)?;
        let mut result = Ok((0, None));
        self.with(id, now, out, |watch, ctx| {
            result = watch.accept(ctx).map(|given_up| (given_up, Some(watch.row())));
        });
        let (given_up, row) = result?;
        let row = row.map_or_else(|| self.save_watches(), |row| StoreOp::Watch(Box::new(row)));
        Ok(Outcome::Promise(row, Promise::Count(given_up)))
    }
}
