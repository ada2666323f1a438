//! `--mode worker`: processes that stay and are given a line for each file. The runner keeps them going; here is when they
//! are wanted, and how much may be given to them.

use std::sync::Arc;

use fsmon_protocol::spec::{Mode, Rules};
use fsmon_protocol::status::Workers;

use super::{Root, Watch};
use crate::io::{Effect, WorkersRequest};
use crate::shared::Ctx;

impl Watch {
    /// Whether its files go to workers.
    pub(super) fn has_workers(&self) -> bool {
        works(&self.rules)
    }

    /// Whether there is a place for one more run: a free worker, a free place for a command, or one that is soon to be free.
    pub(super) fn has_place(&self, ctx: &Ctx<'_>) -> bool {
        let (runs, places) = (ctx.shared.runs.count(self.id), self.places());
        if runs < places {
            return self.has_workers() || ctx.shared.has_room();
        }
        runs < places.saturating_add(self.may_lend(ctx))
    }

    /// How many of its runs there may be at once.
    pub(super) fn places(&self) -> u32 {
        if self.has_workers() { self.workers_up().saturating_mul(self.rules.in_flight) } else { self.rules.concurrency }
    }

    /// How many of its workers are up.
    pub(super) fn workers_up(&self) -> u32 {
        self.workers.as_ref().map_or(0, |workers| workers.up.min(self.rules.concurrency))
    }

    /// Its root is there: from now on it has workers.
    pub(super) fn want_workers(&mut self, ctx: &mut Ctx<'_>) {
        if self.has_workers() && matches!(self.root, Root::Open(_)) {
            let request = WorkersRequest {
                watch: self.id,
                watch_name: Arc::clone(&self.name),
                root: self.root_path.clone(),
                rules: Arc::clone(&self.rules),
            };
            ctx.out.push(Effect::Workers(self.id, Some(Box::new(request))));
        }
    }

    /// Its rules are others than `old`.
    pub(super) fn other_workers(&mut self, old: &Rules, ctx: &mut Ctx<'_>) {
        if self.has_workers() {
            self.want_workers(ctx);
        } else if works(old) {
            self.let_workers_go(ctx);
        }
    }

    /// It needs no workers any more.
    pub(super) fn let_workers_go(&mut self, ctx: &mut Ctx<'_>) {
        self.workers = None;
        ctx.out.push(Effect::Workers(self.id, None));
    }

    /// How they are.
    pub fn on_workers(&mut self, workers: Workers) {
        if self.has_workers() {
            self.workers = Some(workers);
        }
    }

    /// What is wrong with them, if something is.
    pub(super) fn missing_workers(&self) -> Option<String> {
        let Workers { wanted, up, trouble, .. } = self.workers.as_ref()?;
        trouble.as_ref()?;
        let missing = wanted.saturating_sub(*up);
        let of = format!("{missing} of {wanted} worker{}", if *wanted == 1 { "" } else { "s" });
        (missing > 0).then(|| {
            format!(
                "{of} ended or could not start, and will be started again within a minute; `fsmonctl show {}` says why",
                self.name
            )
        })
    }
}

fn works(rules: &Rules) -> bool {
    rules.mode == Mode::Worker && !rules.command.is_empty()
}
