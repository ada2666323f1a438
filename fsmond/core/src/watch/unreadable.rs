//! Folders that cannot be read: said once, counted, and tried again until they can, since nothing tells that.
//!
//! The kernel goes on telling what happens in a folder that was armed before; what it tells stays suspected until it
//! can be looked at. Beside that such a folder is a gap, closed by a reconcile of it once it can be read. One that
//! never could be read is no gap: nothing in it was ever known.

use fsmon_protocol::event::GapReason;

use super::Watch;
use super::reconcile::OpenGap;
use crate::io::{FolderProblem, LogLevel};
use crate::shared::Ctx;
use crate::tree::{Flags, ROOT};

/// How soon they are tried again, in nanoseconds, while they are few.
const AGAIN: u64 = 1_000_000_000;
/// More than so many are tried again every poll interval.
const FEW: u64 = 64;

impl Watch {
    /// A folder cannot be read.
    pub(super) fn note_unreadable(&mut self, at: u32, problem: &FolderProblem, ctx: &mut Ctx<'_>) {
        if self.tree.node(at).has(Flags::UNREADABLE) {
            return;
        }
        self.tree.node_mut(at).set(Flags::UNREADABLE);
        self.unreadable += 1;
        let path = self.absolute(at);
        let why = match problem {
            FolderProblem::NotPermitted => "permission denied",
            FolderProblem::Other(why) => why,
            FolderProblem::Gone | FolderProblem::PseudoFileSystem => "not there",
        };
        ctx.log(
            LogLevel::Warn,
            format!("watch {}: {path} can't be read: {why}; what is in it is not seen until it can", self.name),
        );
        if self.tree.node(at).has(Flags::ARMED) {
            self.open_gap(GapReason::Unreadable, path, ctx);
        }
        self.try_readable_again(ctx);
    }

    /// A folder was read.
    pub(super) fn note_readable(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        if !self.tree.node(at).has(Flags::UNREADABLE) {
            return;
        }
        self.tree.node_mut(at).clear(Flags::UNREADABLE);
        self.unreadable -= 1;
        let path = self.absolute(at);
        ctx.log(LogLevel::Info, format!("watch {}: {path} can be read again", self.name));
        if self.gaps.iter().any(|gap| gap.reason == GapReason::Unreadable && gap.scope == path) {
            self.want_scan_below(at);
        }
    }

    /// Whether a gap cannot be closed by any reconcile as long as its folder cannot be read.
    pub(super) fn is_barred(&self, gap: &OpenGap) -> bool {
        gap.reason == GapReason::Unreadable
            && self
                .rel(&gap.scope)
                .and_then(|rel| self.tree.resolve(rel))
                .is_some_and(|at| self.tree.node(at).has(Flags::UNREADABLE))
    }

    fn try_readable_again(&mut self, ctx: &Ctx<'_>) {
        let pause = if self.unreadable > FEW { self.rules.poll_interval.nanos() } else { AGAIN };
        self.clocks.retry_unreadable.get_or_insert(ctx.now.mono.saturating_add(pause));
    }

    /// Tries to read what could not be read, when it is time.
    pub(super) fn on_unreadable_due(&mut self, ctx: &mut Ctx<'_>) {
        if self.clocks.retry_unreadable.is_none_or(|at| at > ctx.now.mono) || !self.acts() {
            return;
        }
        self.clocks.retry_unreadable = None;
        if self.unreadable == 0 {
            return;
        }
        for at in ROOT..self.tree.places() {
            let tried = self.tree.in_use(at)
                && self.tree.node(at).has(Flags::UNREADABLE)
                && !self.tree.node(at).has(Flags::LISTING)
                && !self.tree.moving(at);
            if tried {
                self.list_folder(at, true, false, ctx);
            }
        }
        self.try_readable_again(ctx);
    }
}
