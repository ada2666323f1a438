//! The root: opened, lost, awaited, held. A root that is gone is no deletion of what was in it.

use fsmon_protocol::event::{GapReason, WatchChangeStatus};

use super::mounts::GATHER;
use super::{Root, Watch};
use crate::io::{Effect, LogLevel, OpenRequest, RootFacts, RootProblem};
use crate::shared::Ctx;
use crate::tree::Flags;

/// How often a root that is not there is looked for.
const RETRY: u64 = 500_000_000;

impl Watch {
    /// Asks for the root.
    pub fn open(&mut self, ctx: &mut Ctx<'_>) {
        if !matches!(self.root, Root::Waiting(..)) {
            self.root = Root::Opening;
        }
        self.clocks.retry_root = None;
        let request = OpenRequest { watch: self.id, root: self.root_path.clone(), backend: self.rules.backend };
        ctx.out.push(Effect::Open(request));
    }

    /// The answer.
    pub fn on_opened(&mut self, result: Result<RootFacts, RootProblem>, ctx: &mut Ctx<'_>) {
        match result {
            Ok(facts) => self.on_root(facts, ctx),
            Err(problem) => self.wait_for_root(&problem_text(&problem), ctx),
        }
    }

    fn on_root(&mut self, facts: RootFacts, ctx: &mut Ctx<'_>) {
        let here = (facts.fs_type.clone(), facts.inode, facts.mount_point);
        if self.held.is_some() && self.root_before.as_ref() != Some(&here) {
            // Still not the one it was held for.
            ctx.out.push(Effect::Close(self.id));
            self.clocks.retry_root = Some(ctx.now.mono.saturating_add(2 * RETRY));
            return;
        }
        let waited = matches!(self.root, Root::Waiting(..)) || self.held.take().is_some();
        if let Some(why) = &facts.backend_why {
            ctx.log(LogLevel::Warn, format!("watch {}: {why}", self.name));
        }
        self.root = Root::Open(facts);
        if let Some(since) = self.down.take() {
            self.open_gap_since(since, GapReason::Down, self.root_path.clone(), ctx);
        }
        if waited {
            self.note(WatchChangeStatus::Recovered, None, ctx);
        }
        self.want_scan(None);
        self.clocks.next_scan = 0;
    }

    /// The root is no more where it was.
    pub(super) fn lose_root(&mut self, why: &str, reason: GapReason, ctx: &mut Ctx<'_>) {
        if !matches!(self.root, Root::Open(_)) {
            return;
        }
        self.close_source(ctx);
        self.abandon_scan(ctx);
        self.root = Root::Opening;
        ctx.log(LogLevel::Warn, format!("watch {}: lost its root {}: {why}", self.name, self.root_path));
        self.open_gap(reason, self.root_path.clone(), ctx);
        if reason == GapReason::Mount {
            self.clocks.retry_root = Some(ctx.now.mono.saturating_add(GATHER));
        } else {
            self.open(ctx);
        }
    }

    fn wait_for_root(&mut self, why: &str, ctx: &mut Ctx<'_>) {
        self.stop_accepting(ctx);
        if !matches!(&self.root, Root::Waiting(before, _) if before == why) {
            let detail = format!("{} {why}; looking for it every second", self.root_path);
            self.note(WatchChangeStatus::Waiting, Some(detail.clone()), ctx);
            if !self.gaps.iter().any(|gap| gap.scope == self.root_path && !gap.closing) {
                self.open_gap(GapReason::RootGone, self.root_path.clone(), ctx);
            }
        }
        self.root = Root::Waiting(why.to_owned(), 0);
        self.clocks.retry_root = Some(ctx.now.mono.saturating_add(RETRY));
    }

    /// Lets go of the source, and of all that was asked of it. What is known stays.
    pub(super) fn close_source(&mut self, ctx: &mut Ctx<'_>) {
        ctx.out.push(Effect::Close(self.id));
        self.listings.clear();
        self.leave_all(ctx);
        for at in 0..self.tree.places() {
            if self.tree.in_use(at) {
                self.suspects.forget(at);
                let node = self.tree.node_mut(at);
                for flag in
                    [Flags::ARMED, Flags::SUSPECT, Flags::OPEN, Flags::TOLD_OPEN, Flags::LISTING, Flags::UNREADABLE]
                {
                    node.clear(flag);
                }
            }
        }
        self.armed = 0;
        self.unreadable = 0;
        self.settle_checks(ctx);
    }

    /// Takes a new source: another backend is asked for.
    pub(super) fn reopen(&mut self, ctx: &mut Ctx<'_>) {
        self.close_source(ctx);
        self.abandon_scan(ctx);
        self.want_scan(None);
        self.open(ctx);
    }

    /// A person lets a held watch process what it found.
    pub fn unhold(&mut self, ctx: &mut Ctx<'_>) {
        if self.held.take().is_some() {
            self.root_before = None;
            self.unbraked = true;
            self.want_scan(None);
            self.open(ctx);
        }
    }

    /// When the root is looked for next.
    pub(super) fn root_deadline(&self) -> Option<u64> {
        self.clocks.retry_root
    }
}

fn problem_text(problem: &RootProblem) -> String {
    match problem {
        RootProblem::Missing => "is not there".to_owned(),
        RootProblem::NotAFolder => "is not a folder".to_owned(),
        RootProblem::NotPermitted => "can't be read by the daemon".to_owned(),
        RootProblem::Other(why) => format!("can't be watched: {why}"),
    }
}
