//! The root: opened, lost, awaited, held. A root that is gone is no deletion of what was in it.

use fsmon_protocol::event::{GapReason, WatchChangeStatus};

use super::mounts::GATHER;
use super::tell::Learnt;
use super::{Root, Watch};
use crate::io::{Effect, Held, LogLevel, OpenRequest, RootFacts, RootProblem};
use crate::shared::Ctx;
use crate::tree::{Flags, ROOT};

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
        self.asked.sent(ctx.now.mono);
        ctx.out.push(Effect::Open(request));
    }

    /// The answer.
    pub fn on_opened(&mut self, result: Result<RootFacts, RootProblem>, ctx: &mut Ctx<'_>) {
        self.asked.answered(ctx.now.mono);
        match result {
            Ok(facts) => self.on_root(facts, ctx),
            Err(problem) => self.wait_for_root(&problem_text(&problem), ctx),
        }
    }

    fn on_root(&mut self, facts: RootFacts, ctx: &mut Ctx<'_>) {
        let here = (facts.fs_type.clone(), facts.inode, facts.mount_point);
        if let Some(held) = &self.held
            && !(held.until_root && self.root_before.as_ref() == Some(&here))
        {
            // Still not the one it was held for, or held for another reason.
            let until_root = held.until_root;
            self.root = Root::Open(facts);
            ctx.out.push(Effect::Close(self.id));
            self.clocks.retry_root = until_root.then(|| ctx.now.mono.saturating_add(2 * RETRY));
            return;
        }
        let unheld = self.held.take().is_some();
        if unheld {
            self.ledger.hurry();
        }
        let waited = unheld || matches!(self.root, Root::Waiting(..));
        if let Some(why) = &facts.backend_why {
            ctx.log(LogLevel::Warn, format!("watch {}: {why}", self.name));
        }
        let limited = facts.limited.clone();
        self.root = Root::Open(facts);
        self.want_workers(ctx);
        if let Some(since) = self.down.take() {
            self.open_gap_since(since, GapReason::Down, self.root_path.clone(), ctx);
        }
        if waited {
            self.note(WatchChangeStatus::Recovered, None, ctx);
        }
        if let Some(why) = limited {
            self.limited(why, ctx);
        }
        self.want_scan();
        self.clocks.next_scan = 0;
    }

    /// The root is no more where it was.
    pub(super) fn lose_root(&mut self, why: &str, reason: GapReason, ctx: &mut Ctx<'_>) {
        if !matches!(self.root, Root::Open(_)) {
            return;
        }
        self.tell_deleted(ctx);
        self.close_source(ctx);
        self.break_off_scan();
        self.root = Root::Opening;
        ctx.log(LogLevel::Warn, format!("watch {}: lost its root {}: {why}", self.name, self.root_path));
        self.open_gap(reason, self.root_path.clone(), ctx);
        if reason == GapReason::Mount {
            self.clocks.retry_root = Some(ctx.now.mono.saturating_add(GATHER));
        } else {
            self.open(ctx);
        }
    }

    /// A look did not find the root. Where its events come they tell the same, after all that happened in it before:
    /// for them is waited a moment, so that what was deleted file by file is not taken for what vanished with the root.
    pub(super) fn miss_root(&mut self, ctx: &mut Ctx<'_>) {
        if self.tree.node(ROOT).has(Flags::ARMED) {
            self.clocks.missed_root.get_or_insert(ctx.now.mono.saturating_add(GATHER));
        } else {
            self.lose_root("it is not there", GapReason::RootGone, ctx);
        }
    }

    /// Tells what the kernel told as deleted and no look can confirm any more.
    fn tell_deleted(&mut self, ctx: &mut Ctx<'_>) {
        for at in self.suspects.deleted() {
            if self.tree.in_use(at) && self.suspects.get(at).is_some() {
                self.tell_gone(at, Learnt::LIVE, ctx);
            }
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
        self.abandon_scan(ctx);
        self.root = Root::Waiting(why.to_owned(), 0);
        self.clocks.retry_root = Some(ctx.now.mono.saturating_add(RETRY));
    }

    /// Lets go of the source, and of all that was asked of it. What is known stays.
    pub(super) fn close_source(&mut self, ctx: &mut Ctx<'_>) {
        ctx.out.push(Effect::Close(self.id));
        self.asked.nothing();
        self.processed.closed();
        self.listings.clear();
        self.leave_all(ctx);
        for at in 0..self.tree.places() {
            if self.tree.in_use(at) {
                self.suspects.forget(at);
                let node = self.tree.node_mut(at);
                for flag in [
                    Flags::ARMED,
                    Flags::SUSPECT,
                    Flags::OPEN,
                    Flags::TOLD_OPEN,
                    Flags::LISTING,
                    Flags::UNLISTED,
                    Flags::UNREADABLE,
                ] {
                    node.clear(flag);
                }
            }
        }
        // What was only suspected is found anew.
        (1..self.tree.places()).for_each(|at| self.release_if_idle(at));
        self.armed = 0;
        self.unreadable = 0;
        self.clocks.missed_root = None;
        self.clocks.retry_unreadable = None;
        self.settle_checks(ctx);
    }

    /// Takes a new source: another backend is asked for.
    pub(super) fn reopen(&mut self, ctx: &mut Ctx<'_>) {
        self.close_source(ctx);
        self.break_off_scan();
        self.want_scan();
        self.open(ctx);
    }

    /// Nothing is told or run from now on until a person decides, or where it may be, the root is what it was before.
    pub(super) fn hold(&mut self, why: &str, or: &str, until_root: bool, ctx: &mut Ctx<'_>) {
        let name = &self.name;
        let why = format!(
            "{why}; nothing is told or run until you decide: `fsmonctl resume {name}` tells and processes what it finds, \
             `fsmonctl accept {name}` takes what is there as done{or}"
        );
        self.note(WatchChangeStatus::Held, Some(why.clone()), ctx);
        ctx.log(LogLevel::Error, format!("watch {name} is held: {why}"));
        self.abandon_scan(ctx);
        self.held = Some(Held { why, until_root });
        self.ledger.hurry();
        self.close_source(ctx);
        self.clocks.retry_root = until_root.then(|| ctx.now.mono.saturating_add(2 * RETRY));
    }

    /// A person lets a held watch process what it found.
    pub fn unhold(&mut self, ctx: &mut Ctx<'_>) {
        if self.held.take().is_some() {
            self.root_before = None;
            self.unbraked = true;
            self.want_scan();
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
