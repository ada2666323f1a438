//! What becomes of files after their runs: `--on-success` and `--on-failure`. A file is put away once its result is
//! durable; what came of it is the edge's to say. Until then its row says that it is owed, so that a start makes up for
//! it. That it is gone afterwards is told like any deletion, and is no work.

use fsmon_protocol::event::EventKind;
use fsmon_protocol::path::escape;
use fsmon_protocol::spec::{After, OnSchedule, Rules};
use fsmon_protocol::{ApiError, RawPath};

use super::mounts::below;
use super::pending::{Leaving, Stage};
use super::suspects::When;
use super::{Handle, Watch};
use crate::filter::Filter;
use crate::ident::event_id;
use crate::io::{Effect, LogLevel, NodeId, Now, PutAway, PutAwayRequest, RunId};
use crate::judge::Told;
use crate::shared::Ctx;
use crate::sweep::Verdict;
use crate::tree::Flags;

/// After so long a file that could not be put away is tried again, in nanoseconds.
const AGAIN: u64 = 30_000_000_000;

/// Refuses to move files to where this watch would see them again, and those that a folder above the root would bring
/// back to it.
pub(super) fn check_folders(rules: &Rules, filter: &Filter, root: &RawPath, one_file: bool) -> Result<(), ApiError> {
    for (option, after) in [("on-success", &rules.on_success), ("on-failure", &rules.on_failure)] {
        let After::Move(folder) = after else { continue };
        let seen = below(root.as_bytes(), folder.as_bytes()).is_some_and(|rel| !one_file && sees(filter, rel));
        if seen || below(folder.as_bytes(), root.as_bytes()).is_some_and(|rel| !rel.is_empty()) {
            let shown = escape(folder.as_bytes());
            let message = format!("{option} would move files to '{shown}', where this watch sees them again");
            return Err(ApiError::usage(message).hint("name a folder beside the root, or --exclude the one in it"));
        }
    }
    Ok(())
}

/// Whether a folder below the root is one that the filters let in, with all above it.
fn sees(filter: &Filter, rel: &[u8]) -> bool {
    let rel = rel.strip_prefix(b"/").unwrap_or(rel);
    let ends = rel.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| at);
    let mut depth = 0;
    ends.chain((!rel.is_empty()).then_some(rel.len())).all(|end| {
        depth += 1;
        filter.folder(&rel[..end], depth)
    })
}

impl Watch {
    /// What becomes of the file at this place once its run has succeeded, or it is set aside; none: it stays.
    fn after(&self, at: u32, failed: bool) -> Option<&After> {
        let after = if failed { &self.rules.on_failure } else { &self.rules.on_success };
        let there = self.tree.node(at).has(Flags::KNOWN);
        let file = self.pending.get(at).is_some_and(|p| p.kind != EventKind::Delete && p.seen.is_some());
        let each = self.rules.on_schedule != OnSchedule::Once;
        (*after != After::Keep && there && file && each).then_some(after)
    }

    /// A file was processed: that was all, or it is put away once that is stored.
    pub(super) fn processed(&mut self, run: RunId, at: u32, ctx: &mut Ctx<'_>) {
        if self.after(at, false).is_none() {
            self.keep_processed(at, ctx);
            self.resolve(at, Verdict::Ok, ctx);
            return;
        }
        self.answer_waiters(at, Verdict::Ok, ctx);
        self.pending.set_stage(at, Stage::Leaving, u64::MAX);
        self.ledger.dirty(&mut self.tree, at, self.pending.get(at).and_then(|p| p.seen));
        self.leaving.entry(run).or_default().push(self.tree.id(at));
    }

    /// A file was set aside: it stays, or is put away once that is stored.
    pub(super) fn put_aside(&mut self, run: RunId, at: u32) {
        if self.after(at, true).is_some() {
            self.leaving.entry(run).or_default().push(self.tree.id(at));
        }
    }

    /// The end of a run is stored: its files are put away.
    pub fn on_end_recorded(&mut self, run: RunId, now: Now) {
        for node in self.leaving.remove(&run).unwrap_or_default() {
            let Some(at) = self.tree.place(node) else { continue };
            if let Some(stage) = self.pending.get(at).map(|p| p.stage).filter(|stage| stage.is_over()) {
                self.pending.set_stage(at, stage, now.mono);
            }
        }
    }

    /// After a restart: what is owed is done as soon as the root is there. Perhaps it was done already.
    pub(super) fn owe_putting_away(&mut self, at: u32, now: Now) {
        self.doubt_left(at);
        if let Some(stage) = self.pending.get(at).filter(|p| p.leaving == Leaving::Perhaps).map(|p| p.stage) {
            self.pending.set_stage(at, stage, now.mono);
        }
    }

    /// An earlier daemon may have put this file away.
    pub(super) fn doubt_left(&mut self, at: u32) {
        let Some(stage) = self.pending.get(at).map(|p| p.stage).filter(|stage| stage.is_over()) else { return };
        if stage == Stage::Leaving || self.after(at, true).is_some() {
            self.set_leaving(at, Leaving::Perhaps);
        }
    }

    /// A file that could not be put away is tried again now.
    pub(super) fn put_away_now(&mut self, at: u32, now: u64) {
        let waits = self.pending.get(at).filter(|p| p.stage.is_over() && p.due != u64::MAX);
        if let Some(stage) = waits.map(|p| p.stage) {
            self.pending.set_stage(at, stage, now);
        }
    }

    /// Its time has come: it is put away, if it may.
    pub(super) fn put_away(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        let Some(stage) = self.pending.get(at).map(|p| p.stage) else { return };
        let Some(after) = self.after(at, stage == Stage::Failed).cloned() else {
            // Nobody wants it any more.
            self.stays(at, stage, ctx);
            return;
        };
        let Some(pending) = self.pending.get_mut(at) else { return };
        if self.tree.node(at).has(Flags::HIDDEN) {
            self.pending.set_stage(at, stage, ctx.now.mono.saturating_add(AGAIN));
            return;
        }
        let (leaving, kind, sweep) = (pending.leaving, pending.kind, pending.sweep);
        let Some(given) = pending.seen else { return };
        pending.leaving = Leaving::Asked;
        let rel = RawPath::from(self.tree.path(at));
        let key = event_id(self.id, rel.as_bytes(), kind, Some(&given), sweep);
        let again = leaving == Leaving::Perhaps;
        let (node, root) = (self.tree.id(at), self.root_path.clone());
        ctx.out.push(Effect::PutAway(PutAwayRequest { watch: self.id, node, root, rel, given, after, key, again }));
    }

    /// What came of it.
    pub fn on_put_away(&mut self, node: NodeId, result: PutAway, ctx: &mut Ctx<'_>) {
        let Some(at) = self.tree.place(node) else { return };
        let Some(stage) = self.pending.get(at).map(|p| p.stage) else { return };
        let over = stage.is_over();
        if let PutAway::Kept(why) = result {
            self.set_leaving(at, Leaving::No);
            if over {
                self.pending.set_stage(at, stage, ctx.now.mono.saturating_add(AGAIN));
            }
            self.note_kept(at, &why, ctx);
            return;
        }
        self.kept = None;
        if result == PutAway::Changed {
            self.set_leaving(at, Leaving::No);
            if over {
                self.stays(at, stage, ctx);
            }
        } else if over {
            // Should a look find it all the same, it is put away once more.
            self.pending.set_stage(at, stage, ctx.now.mono.saturating_add(AGAIN));
        } else {
            self.set_leaving(at, Leaving::No);
        }
        if self.tree.place(node) == Some(at) {
            self.suspect(at, Told::SOMETHING, When::Now, ctx);
        }
    }

    /// It stays where it is.
    fn stays(&mut self, at: u32, stage: Stage, ctx: &mut Ctx<'_>) {
        self.set_leaving(at, Leaving::No);
        if stage == Stage::Leaving {
            self.resolve(at, Verdict::Ok, ctx);
        }
    }

    fn set_leaving(&mut self, at: u32, leaving: Leaving) {
        if let Some(pending) = self.pending.get_mut(at) {
            pending.leaving = leaving;
        }
    }

    /// Whether a file that is gone is so because it was put away.
    pub(super) fn was_put_away(&self, at: u32) -> bool {
        self.pending.get(at).is_some_and(|p| p.leaving != Leaving::No)
    }

    fn note_kept(&mut self, at: u32, why: &str, ctx: &mut Ctx<'_>) {
        let (path, again) = (self.absolute(at), AGAIN / 1_000_000_000);
        let why = format!("{path} can't be moved or deleted after its run: {why}; tried again every {again}s");
        if self.kept.is_none() {
            ctx.log(LogLevel::Warn, why.clone());
        }
        self.kept = Some((self.tree.id(at), why));
    }

    /// Why files that are to be put away are not, if so.
    pub(super) fn keeps(&self) -> Option<&str> {
        let (node, why) = self.kept.as_ref()?;
        let waits = |at: u32| self.pending.get(at).is_some_and(|p| p.stage.is_over());
        self.tree.place(*node).is_some_and(waits).then_some(why)
    }
}

/// Files to put away, by the run whose end is to be stored before.
pub(super) type AfterRuns = std::collections::HashMap<RunId, Vec<Handle>>;
