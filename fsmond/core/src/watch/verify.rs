//! Compares what somebody read of a folder with what is known of it, for `verify`. Must never change anything: not
//! even what it finds different is suspected from then on, or the question would be its own answer.
//!
//! What the watch is about to look at by itself is no difference: what is suspected, being listed, in limbo, hidden by
//! a mount, or kept until a scan is complete.

use fsmon_protocol::RawPath;
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::verify::DifferenceKind;

use super::looks::facts_of;
use super::{Root, Watch};
use crate::io::{Compared, ComparedTo, Comparison, Different, FoldersPage, Stat};
use crate::judge::{Facts, Told, Verdict, judge};
use crate::tree::{Flags, ROOT};

/// So many entries are compared before others have their turn.
const PORTION: usize = 4096;
/// What the watch looks at by itself, or cannot see.
const UNSETTLED: [Flags; 6] =
    [Flags::SUSPECT, Flags::LISTING, Flags::UNLISTED, Flags::MOVING, Flags::DEFERRED, Flags::HIDDEN];

impl Watch {
    /// Folders from this place on that can be compared now: `most` of them, or as many as are among `places`.
    pub fn folders_to_compare(&self, from: u32, most: usize, places: u32) -> FoldersPage {
        let end = self.tree.places().min(from.saturating_add(places));
        let mut page = FoldersPage {
            watch: self.id,
            name: self.name.clone(),
            root: self.root_path.clone(),
            busy: self.compares(),
            folders: Vec::new(),
            next: (end < self.tree.places()).then_some((self.id, end)),
        };
        for at in from..end {
            if page.folders.len() == most {
                page.next = Some((self.id, at));
                break;
            }
            let known = self.tree.in_use(at) && self.tree.node(at).is_dir() && self.tree.node(at).has(Flags::KNOWN);
            if known && self.settled(at) {
                page.folders.push((self.tree.id(at), RawPath::from(self.tree.path(at))));
            }
        }
        page
    }

    /// Whether a scan is under way or about to begin.
    pub(super) fn compares(&self) -> bool {
        !self.unable() && (self.scan.is_some() || self.scan_wanted.is_some() || self.root == Root::Opening)
    }

    /// Whether nothing is under way that concerns this entry or a folder above it.
    pub(super) fn settled(&self, mut at: u32) -> bool {
        loop {
            let node = self.tree.node(at);
            if UNSETTLED.into_iter().any(|flag| node.has(flag)) {
                return false;
            }
            if at == ROOT {
                return true;
            }
            at = node.parent();
        }
    }

    /// Compares one portion.
    pub fn compare(&self, comparison: &Comparison) -> Compared {
        let mut compared = Compared::default();
        let Some(folder) = self.tree.place(comparison.folder).filter(|&at| self.settled(at)) else { return compared };
        match comparison.from {
            ComparedTo::Entry(from) => {
                if from == 0 {
                    compared.different.extend(self.unarmed(folder));
                }
                let end = comparison.entries.len().min(from.saturating_add(PORTION));
                for (name, stat) in comparison.entries.get(from..end).unwrap_or_default() {
                    compared.different.extend(self.compare_entry(folder, name, stat));
                }
                let first = self.tree.children(folder).next();
                let known = first.map(|at| ComparedTo::Known(self.tree.id(at)));
                compared.next = if end < comparison.entries.len() { Some(ComparedTo::Entry(end)) } else { known };
            }
            ComparedTo::Known(from) => {
                // Where that one is no more the folder is changing: the rest is for another time.
                let from = self.tree.place(from).filter(|&at| at != ROOT && self.tree.node(at).parent() == folder);
                let mut rest = from.into_iter().flat_map(|at| self.tree.siblings_from(at));
                for at in rest.by_ref().take(PORTION) {
                    compared.different.extend(self.compare_known(at, comparison));
                }
                compared.next = rest.next().map(|at| ComparedTo::Known(self.tree.id(at)));
            }
        }
        compared
    }

    /// A folder that has no watch and should have one.
    fn unarmed(&self, at: u32) -> Option<Different> {
        let without = self.arms() && self.acts() && !self.tree.node(at).has(Flags::ARMED);
        without.then(|| self.different(DifferenceKind::Unarmed, at, None))
    }

    /// Looks for an entry of the disk in the tree.
    fn compare_entry(&self, folder: u32, name: &[u8], stat: &Stat) -> Option<Different> {
        if stat.own || !self.wanted(folder, name, stat.file_type == FileType::Dir) {
            return None;
        }
        let untold = || Different {
            kind: DifferenceKind::Untold,
            path: self.absolute(folder).join(name),
            known: None,
            ledger: None,
            found: Some(*stat),
        };
        let Some(at) = self.tree.lookup(folder, name) else { return Some(untold()) };
        let node = self.tree.node(at);
        if !self.settled(at) {
            return None;
        }
        if !node.has(Flags::KNOWN) {
            return Some(untold());
        }
        let known = Facts { file_type: node.file_type, ident: node.ident, ctime: node.ctime };
        let same = judge(Some(known), Some(facts_of(stat)), Told::SCAN) == Verdict::Same;
        (!same || self.layer_changed(at, stat)).then(|| self.different(DifferenceKind::Changed, at, Some(*stat)))
    }

    /// Looks for an entry of the tree on the disk.
    fn compare_known(&self, at: u32, comparison: &Comparison) -> Option<Different> {
        let node = self.tree.node(at);
        let there = comparison.entries.binary_search_by(|(name, _)| (**name).cmp(node.name())).is_ok();
        let gone = !there && node.has(Flags::KNOWN) && self.settled(at);
        gone.then(|| self.different(DifferenceKind::Gone, at, None))
    }

    fn different(&self, kind: DifferenceKind, at: u32, found: Option<Stat>) -> Different {
        Different {
            kind,
            path: self.absolute(at),
            known: Some((at, self.tree.node(at).file_type)),
            ledger: self.ledger.fresh(at),
            found,
        }
    }
}
