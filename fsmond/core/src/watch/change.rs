//! Other options for a watch that is at work.

use fsmon_protocol::ApiError;
use fsmon_protocol::spec::Options;

use super::Watch;
use super::understood::{Understood, filter_options, understand};
use crate::shared::Ctx;

impl Watch {
    /// Takes new options. What no longer matches is dropped silently; what newly matches is found by the reconcile
    /// that follows, and follows `existing`, but for what is new by the old options.
    pub fn set(&mut self, options: Options, defaults: &Options, ctx: &mut Ctx<'_>) -> Result<(), ApiError> {
        let understood = understand(&options, defaults)?;
        understood.check_at(&self.root_path, self.only.is_some())?;
        let Understood { rules, filter, plan, key } = understood;
        self.spec.options = options;
        if rules == self.rules {
            return Ok(());
        }
        let reopen = rules.backend != self.rules.backend;
        let refilter = filter_options(&rules) != filter_options(&self.rules);
        if refilter {
            self.keep_filters();
        }
        self.take_back_all(ctx);
        let old = std::mem::replace(&mut self.rules, rules);
        self.filter = filter;
        self.key = key;
        self.clocks.reset_rescan(&self.rules, self.backend(), self.limit.is_some(), ctx.now);
        self.replan(plan, ctx);
        self.regroup(&old, ctx.now);
        self.other_workers(&old, ctx);
        self.other_dedupe(ctx);
        self.close_breaker(ctx);
        self.ledger.touch();
        if self.rules.command.is_empty() {
            self.drop_all_pending(ctx);
        }
        if refilter {
            self.filters_changed(ctx);
        }
        if reopen {
            self.reopen(ctx);
        }
        Ok(())
    }

    /// Whether its options make sense with these defaults.
    pub fn takes(&self, defaults: &Options) -> Result<(), ApiError> {
        understand(&self.spec.options, defaults)?.check_at(&self.root_path, self.only.is_some())
    }
}
