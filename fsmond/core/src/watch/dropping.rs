//! What is dropped without a word: entries that filters no longer let in, and work that nobody wants any more.

use fsmon_protocol::run::Trigger;

use super::Watch;
use super::pending::Stage;
use crate::io::Effect;
use crate::shared::Ctx;
use crate::sweep::Verdict;
use crate::tree::{Flags, ROOT};

impl Watch {
    /// Drops an entry with all below it, and all that waits for it. Its files are not deleted, so nothing is told.
    pub(super) fn drop_subtree(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        for gone in self.tree.subtree(at) {
            if !self.tree.in_use(gone) {
                continue;
            }
            self.drop_one(gone, ctx);
        }
    }

    /// Drops one entry, of which nothing is below any more.
    pub(super) fn drop_one(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        self.forget_pending(at, ctx);
        self.tree.node_mut(at).clear(Flags::MOVING);
        // Not known any more, so that nothing becomes pending for its end.
        self.tree.set_known(at, false);
        self.note_gone(at, Trigger::FileChange, ctx);
    }

    /// Drops what the filters no longer let in. Filters may have become narrower while nobody was there to see it.
    pub fn drop_unwanted(&mut self, ctx: &mut Ctx<'_>) {
        if self.only.is_none() && self.filter.is_trivial() && !self.rules.gitignore {
            return;
        }
        self.drop_unwanted_below(ROOT, ctx);
    }

    /// The same below one folder.
    pub(super) fn drop_unwanted_below(&mut self, top: u32, ctx: &mut Ctx<'_>) {
        let mut folders = vec![top];
        while let Some(folder) = folders.pop() {
            let children: Vec<u32> = self.tree.children(folder).collect();
            for at in children {
                let node = self.tree.node(at);
                let dir = node.is_dir();
                if node.has(Flags::MOVING) {
                    continue;
                }
                if !self.wanted(folder, node.name(), dir) {
                    self.drop_subtree(at, ctx);
                } else if dir {
                    folders.push(at);
                }
            }
        }
    }

    /// Drops all that is pending, failed files too; commands that run finish. Returns how many were dropped.
    pub(super) fn drop_all_pending(&mut self, ctx: &mut Ctx<'_>) -> u64 {
        self.take_back_all(ctx);
        self.leave_once(ctx);
        let mut dropped = 0;
        for at in self.pending.places() {
            if self.pending.get(at).is_some_and(|p| !matches!(p.stage, Stage::Running(..))) {
                self.resolve(at, Verdict::Vanished, ctx);
                dropped += 1;
            }
        }
        dropped
    }

    /// The watch ends. Returns how many files were pending and how many commands run on.
    pub fn end(&mut self, kill: bool, ctx: &mut Ctx<'_>) -> (u64, u64) {
        self.take_back_all(ctx);
        let (running, lent) = (ctx.shared.runs.of(self.id), u64::from(self.lent()));
        // Nobody counts here any more which of them begin.
        ctx.shared.lent -= self.lent() as usize;
        if kill {
            ctx.out.extend(running.iter().copied().map(Effect::EndRun));
        }
        if self.has_workers() {
            self.let_workers_go(ctx);
        }
        self.abandon_scan(ctx);
        self.leave_once(ctx);
        let dropped = self.pending.pending() - u64::from(self.pending.running()) + lent;
        for at in self.pending.places() {
            // Files whose command runs on are among them: nobody will learn here how it ends.
            self.forget_pending(at, ctx);
        }
        ctx.out.push(Effect::Close(self.id));
        (dropped, running.len() as u64 - lent)
    }
}
