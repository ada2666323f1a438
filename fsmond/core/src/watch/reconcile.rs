//! Reconcile: the one way in which anything missed is found. Start, overflow, error, mount, poll and schedule all end
//! here: the whole tree, or where the scope is known a part of it, is listed and compared with what is known.
//!
//! What a scan finds new or gone is kept until it is complete, then paired into renames (`pairing`) and told (`findings`); and if it
//! would delete much, nothing is told and the watch is held. Modifications are told as they are found, unless the root is another one.

use fsmon_protocol::RawPath;
use fsmon_protocol::event::{Gap, GapReason, WatchChangeStatus, What, Why};
use fsmon_protocol::units::Timestamp;

use super::findings::Findings;
use super::mounts::below;
use super::pace::is_since;
use super::suspects::When;
use super::{Handle, Root, Watch};
use crate::io::{GapRow, NodeId, Stat};
use crate::judge::{Told, Verdict};
use crate::shared::Ctx;
use crate::sweep::Sweeps;
use crate::tree::{Flags, ROOT};

/// Reconciles of one watch begin at least so far apart.
const APART: u64 = 1_000_000_000;
/// A scan may delete so many files before it must not be more than half of them.
const FEW: usize = 100;

/// A span in which events may have been lost.
#[derive(Debug)]
pub(super) struct OpenGap {
    /// Number of the record that opened it.
    pub id: u64,
    /// From when on.
    pub since: Timestamp,
    pub reason: GapReason,
    pub scope: RawPath,
    /// Whether the reconcile under way began after it opened, and so closes it.
    pub closing: bool,
}

impl OpenGap {
    /// The record that opens it, or with what was found the one that closes it.
    pub fn record(&self, found: Option<u64>) -> Gap {
        let Self { id, since, reason, .. } = *self;
        Gap { reason, scope: self.scope.clone(), closed: found.is_some(), found, id, since }
    }
}

/// A reconcile under way.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Entries looked at, folders not counted.
    pub looked: u64,
    /// Folders read.
    pub folders: u64,
    /// Events it led to.
    pub found: u64,
    /// Whether it is of the whole tree.
    whole: bool,
    /// Sweeps that wait for it.
    sweeps: Vec<u64>,
    /// Whether the root is another one than before.
    another_root: bool,
    pub born: Vec<(Handle, Stat)>,
    pub gone: Vec<Handle>,
    altered: Vec<(Handle, Stat, Option<Why>)>,
    /// For those who want what changed since a time: the sweep, the time, and what was seen to have.
    recent: Vec<(u64, Timestamp, Vec<Handle>)>,
    /// What is paired and yet to be told.
    pub findings: Findings,
}

impl Watch {
    /// Opens a gap: from now on events below `scope` may have been lost, until a reconcile that begins after this.
    pub(super) fn open_gap(&mut self, reason: GapReason, scope: RawPath, ctx: &mut Ctx<'_>) {
        self.open_gap_since(ctx.now.wall, reason, scope, ctx);
    }

    /// The same, of a span that began earlier.
    pub(super) fn open_gap_since(&mut self, since: Timestamp, reason: GapReason, scope: RawPath, ctx: &mut Ctx<'_>) {
        if self.gaps.iter().any(|g| g.reason == reason && g.scope == scope && !g.closing) {
            return;
        }
        let gap = OpenGap { id: ctx.shared.next_seq, reason, scope, since, closing: false };
        ctx.record(Some((self.id, &self.name)), What::Gap(gap.record(None)), None);
        self.gaps.push(gap);
    }

    /// A gap that was open when the daemon died or stopped.
    pub fn restore_gap(&mut self, row: GapRow) {
        let GapRow { id, reason, scope, since, .. } = row;
        self.gaps.push(OpenGap { id, reason, scope, since, closing: false });
    }

    /// Asks for a reconcile, as soon as the one under way is done.
    pub fn want_scan(&mut self) {
        self.scan_wanted = Some(NodeId::ROOT);
    }

    /// The same for a sweep: it gives out when the reconcile is done. See `giving` for what it counts until then.
    pub fn want_scan_for(&mut self, sweep: u64, sweeps: &mut Sweeps) {
        self.want_scan();
        self.wanted_by.push(sweep);
        self.join_pending(sweep, sweeps);
    }

    /// The sweeps that wait for a reconcile, the one under way or the next.
    pub(super) fn sweeps_to_come(&self) -> impl Iterator<Item = u64> + '_ {
        self.scan.iter().flat_map(|scan| &scan.sweeps).chain(&self.wanted_by).copied()
    }

    /// Asks for a reconcile of one entry and all below it. Where two are wanted, all of the watch is compared.
    pub(super) fn want_scan_below(&mut self, at: u32) {
        let id = self.tree.id(at);
        let other = self.scan_wanted.is_some_and(|wanted| wanted != id);
        self.scan_wanted = Some(if other || !self.baseline_done { NodeId::ROOT } else { id });
    }

    /// When the next reconcile begins, if one is wanted and none is under way.
    pub(super) fn scan_deadline(&self) -> Option<u64> {
        (self.scan_wanted.is_some() && self.scan.is_none() && self.acts()).then_some(self.clocks.next_scan)
    }

    pub(super) fn maybe_start_scan(&mut self, ctx: &mut Ctx<'_>) {
        if self.scan_deadline().is_none_or(|at| at > ctx.now.mono) {
            return;
        }
        let Root::Open(facts) = &self.root else { return };
        let limited = facts.limited.clone();
        let now = (facts.fs_type.clone(), facts.inode, facts.mount_point);
        let another_root = self.root_before.as_ref().is_some_and(|before| *before != now);
        let wanted = self.scan_wanted.take().and_then(|id| self.tree.place(id));
        let top = wanted.filter(|&at| !self.tree.moving(at)).unwrap_or(ROOT);
        let scope = self.absolute(top);
        for gap in &mut self.gaps {
            gap.closing = below(scope.as_bytes(), gap.scope.as_bytes()).is_some();
        }
        self.clocks.next_scan = ctx.now.mono.saturating_add(APART);
        let sweeps = std::mem::take(&mut self.wanted_by);
        let since = sweeps.iter().filter_map(|&sweep| Some((sweep, ctx.shared.sweeps.since(sweep)?, Vec::new())));
        self.scan = Some(Scan { whole: top == ROOT, recent: since.collect(), sweeps, another_root, ..Scan::default() });
        if top == ROOT {
            self.limit = limited;
            if self.limit.is_some() {
                self.gaps.iter_mut().filter(|gap| gap.reason == GapReason::Limit).for_each(|gap| gap.closing = false);
            }
            self.list_folder(ROOT, true, true, ctx);
        } else {
            self.tree.node_mut(top).set(Flags::UNLISTED);
            self.suspect(top, Told::SCAN, When::Now, ctx);
        }
    }

    /// Keeps a finding of the scan until it is complete. Returns whether it did.
    pub(super) fn defer(&mut self, at: u32, verdict: Verdict, seen: Option<Stat>, _ctx: &mut Ctx<'_>) -> bool {
        let id = self.tree.id(at);
        let Some(scan) = &mut self.scan else { return false };
        match (verdict, seen) {
            (Verdict::Create, Some(stat)) => scan.born.push((id, stat)),
            (Verdict::Delete, None) => scan.gone.push(id),
            (Verdict::Modify(why), Some(stat)) if scan.another_root => scan.altered.push((id, stat, why)),
            _ => return false,
        }
        self.tree.node_mut(at).set(Flags::DEFERRED);
        self.tree.node_mut(at).clear(Flags::UNLISTED);
        true
    }

    /// A listing of the scan saw this file: it is kept for whoever wants what changed since a time.
    pub(super) fn note_recent_file(&mut self, at: u32, stat: &Stat) {
        let id = self.tree.id(at);
        for (_, since, files) in self.scan.iter_mut().flat_map(|scan| &mut scan.recent) {
            if is_since(*since, stat.fingerprint.mtime, stat.fingerprint.ctime) {
                files.push(id);
            }
        }
    }

    /// Ends the reconcile when the last listing has come, the last finding is confirmed, and all of them are told.
    pub(super) fn maybe_finish_scan(&mut self, ctx: &mut Ctx<'_>) {
        if self.scan.is_none()
            || !self.tell_more(ctx)
            || self.listings.scanning()
            || self.suspects.scanned() > 0
            || self.pair_folders(ctx)
        {
            // After folders were paired, what is in them is compared before anything else is told.
            return;
        }
        let Some(scan) = &mut self.scan else { return };
        let another_root = scan.another_root;
        let (mut born, mut gone) = (std::mem::take(&mut scan.born), std::mem::take(&mut scan.gone));
        let mut altered = std::mem::take(&mut scan.altered);
        // What something was told of since it was found is left to its own look.
        self.keep_standing(&mut born, |b| b.0, false);
        self.keep_standing(&mut gone, |&id| id, true);
        self.keep_standing(&mut altered, |a| a.0, true);
        let renames = self.pair(&mut born, &mut gone);
        let tops = gone.iter().filter_map(|&id| self.tree.place(id));
        let deletes: usize = tops.map(|at| self.tree.subtree(at).iter().filter(|&&n| self.known_file(n)).count()).sum();
        let findings = Findings::new(gone, born, altered);
        let ids = |at: fn(&(u32, u32, Stat)) -> u32| renames.iter().map(at).map(|at| self.tree.id(at));
        let (olds, news): (Vec<Handle>, Vec<Handle>) = (ids(|r| r.0).collect(), ids(|r| r.1).collect());
        self.conclude_deferred(&olds);
        if self.brake(deletes, another_root, ctx) {
            let untold: Vec<Handle> = news.into_iter().chain(findings.ids()).collect();
            self.conclude_deferred(&untold);
            return;
        }
        for (old, new, stat) in renames {
            let from = self.absolute(old);
            self.tell_rename(new, stat, from, ctx);
            self.drop_subtree(old, ctx);
        }
        if let Some(scan) = &mut self.scan {
            scan.findings = findings;
        }
        if self.tell_portion(ctx) {
            self.finish_scan(ctx);
        }
    }

    /// Keeps the findings that still stand; the entries of the others are as any.
    fn keep_standing<T>(&mut self, findings: &mut Vec<T>, id: impl Fn(&T) -> Handle, known: bool) {
        let stale = findings.extract_if(.., |finding| self.usable(id(finding), known).is_none());
        let stale: Vec<Handle> = stale.map(|finding| id(&finding)).collect();
        self.conclude_deferred(&stale);
    }

    /// What was kept of these is told, or is not to be.
    pub(super) fn conclude_deferred(&mut self, ids: &[Handle]) {
        for &id in ids.iter().rev() {
            if let Some(at) = self.tree.place(id) {
                self.tree.node_mut(at).clear(Flags::DEFERRED);
                self.release_if_idle(at);
            }
        }
    }

    /// The brake on deletes that nobody meant: an unmounted disk's empty folder, a replaced root. Returns whether the
    /// watch is held now.
    fn brake(&mut self, deletes: usize, another_root: bool, ctx: &mut Ctx<'_>) -> bool {
        let known = usize::try_from(self.tree.files()).unwrap_or(usize::MAX);
        let why = if self.unbraked {
            return false;
        } else if another_root && deletes > 0 {
            format!("its root is another one than before, and {deletes} of {known} files are not there")
        } else if deletes > FEW && deletes > known / 2 {
            format!("{deletes} of {known} files are not there, more than half")
        } else {
            return false;
        };
        let until = if another_root { ", or put the old root back" } else { "" };
        self.hold(&why, until, another_root, ctx);
        true
    }

    fn finish_scan(&mut self, ctx: &mut Ctx<'_>) {
        let Some(scan) = self.scan.take() else { return };
        let mut cured = false;
        let barred: Vec<u64> = self.gaps.iter().filter(|gap| self.is_barred(gap)).map(|gap| gap.id).collect();
        self.gaps.iter_mut().filter(|gap| barred.contains(&gap.id)).for_each(|gap| gap.closing = false);
        for gap in self.gaps.extract_if(.., |gap| gap.closing) {
            ctx.record(Some((self.id, &self.name)), What::Gap(gap.record(Some(scan.found))), None);
            cured |= gap.reason == GapReason::Limit;
        }
        if cured {
            self.note(WatchChangeStatus::Recovered, None, ctx);
        }
        if !scan.whole {
            if self.gaps.iter().any(|gap| gap.reason != GapReason::Limit && !barred.contains(&gap.id)) {
                // What they stand for has moved or grown meanwhile: no gap stays open without a reconcile to come.
                self.want_scan();
            }
            return;
        }
        if let Root::Open(facts) = &self.root {
            self.root_before = Some((facts.fs_type.clone(), facts.inode, facts.mount_point));
        }
        self.unbraked = false;
        self.note_accepted(ctx);
        self.clocks.last_reconcile = Some(Timestamp(ctx.now.wall.0));
        self.clocks.reset_rescan(&self.rules, self.backend(), self.limit.is_some(), ctx.now);
        if !self.baseline_done {
            self.baseline_done = true;
            self.let_in.clear();
            self.note(WatchChangeStatus::Ready, Some(self.contents()), ctx);
            self.ledger.hurry();
        }
        for sweep in scan.sweeps {
            let recent = scan.recent.iter().find(|recent| recent.0 == sweep);
            self.give_out(sweep, scan.looked, recent.map_or(&[], |recent| &recent.2), ctx);
        }
    }

    /// The reconcile cannot be completed: what it was to close stays open, and who waits for it is let go.
    pub(super) fn abandon_scan(&mut self, ctx: &mut Ctx<'_>) {
        self.break_off_scan();
        for sweep in std::mem::take(&mut self.wanted_by) {
            self.leave_sweep(sweep, &mut ctx.shared.sweeps);
            ctx.shared.sweeps.unable(sweep, self.id);
        }
    }

    /// The reconcile is broken off: another one is to come, for which waits who waited for this one.
    pub(super) fn break_off_scan(&mut self) {
        self.listings.clear();
        self.gaps.iter_mut().for_each(|gap| gap.closing = false);
        let Some(scan) = self.scan.take() else { return };
        self.wanted_by.extend(scan.sweeps);
        let altered = scan.altered.into_iter().map(|a| a.0);
        let untold = scan.findings.ids();
        let kept: Vec<Handle> =
            scan.gone.into_iter().chain(altered).chain(scan.born.into_iter().map(|b| b.0)).chain(untold).collect();
        self.conclude_deferred(&kept);
    }
}
