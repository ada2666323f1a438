//! Mounts below the root, and what they hide.
//!
//! Where something is mounted over a folder, or unmounted from it, another layer of files is seen at the same paths.
//! What lies on the layer that is gone from sight is neither deleted nor told as such, since nobody deleted it: it is
//! kept as *hidden*, is compared when its layer is seen again, and only what differs then is told. What both layers
//! have under one name is one file whose content changed. Mounts over the root itself are the concern of `root`.

use fsmon_protocol::RawPath;
use fsmon_protocol::event::GapReason;
use fsmon_protocol::fingerprint::FileType;

use super::pending::Stage;
use super::{Root, Watch};
use crate::ident::{ident_of, layer};
use crate::io::Stat;
use crate::shared::Ctx;
use crate::sweep::Verdict;
use crate::tree::{Flags, ROOT};

/// Several mounts, and what the source tells of them, come together: so long is waited for the last.
pub(super) const GATHER: u64 = 50_000_000;

impl Watch {
    /// Something was mounted or unmounted at these paths.
    pub fn on_mounted(&mut self, points: &[RawPath], ctx: &mut Ctx<'_>) {
        let Root::Open(facts) = &self.root else { return };
        let root = facts.real.clone();
        if self.held.is_some() {
            // A held watch looks for its root by itself.
            return;
        }
        if points.iter().any(|point| below(point.as_bytes(), root.as_bytes()).is_some()) {
            self.lose_root("something was mounted or unmounted there", GapReason::Mount, ctx);
            return;
        }
        for rel in points.iter().filter_map(|point| below(root.as_bytes(), point.as_bytes())) {
            if let Some(at) = self.nearest(rel) {
                self.doubt(at, GapReason::Mount, ctx);
            }
        }
    }

    /// The entry at this path, or the folder that is the nearest above it. None where the path is not watched.
    fn nearest(&self, rel: &[u8]) -> Option<u32> {
        let mut at = ROOT;
        for name in rel.split(|&b| b == b'/').filter(|name| !name.is_empty()) {
            match self.tree.lookup(at, name).filter(|&next| self.tree.node(next).has(Flags::KNOWN)) {
                Some(next) => at = next,
                None => return self.wanted(at, name, true).then_some(at),
            }
        }
        Some(at)
    }

    /// Events below this entry may have been lost: a gap, until all below it has been compared.
    pub(super) fn doubt(&mut self, at: u32, reason: GapReason, ctx: &mut Ctx<'_>) {
        self.open_gap(reason, self.absolute(at), ctx);
        self.want_scan_below(at);
        self.clocks.next_scan = self.clocks.next_scan.max(ctx.now.mono.saturating_add(GATHER));
    }

    /// The folder at which the file system of this folder is mounted, as far as that is below the root.
    pub(super) fn mount_of(&self, mut at: u32) -> u32 {
        let asked = at;
        while at != ROOT {
            if self.tree.node(at).has(Flags::MOUNT) {
                return at;
            }
            at = self.tree.node(at).parent();
        }
        asked
    }

    /// Whether a known folder shows another layer of mounts than before.
    pub(super) fn layer_changed(&self, at: u32, stat: &Stat) -> bool {
        let node = self.tree.node(at);
        let folders = node.has(Flags::KNOWN) && node.is_dir() && stat.file_type == FileType::Dir;
        let other = node.ident != 0 && node.ident != ident_of(stat);
        folders
            && !node.has(Flags::HIDDEN)
            && (node.has(Flags::MOUNT) != stat.mount_point || (stat.mount_point && other))
    }

    /// Another layer is seen at this folder: what lies on the one before is hidden, what is known to lie on this one
    /// is compared. The events of the one before are not wanted any more.
    pub(super) fn switch_layer(&mut self, at: u32, stat: &Stat, scan: bool, ctx: &mut Ctx<'_>) {
        let before = layer(self.tree.node(at).ident, self.tree.node(at).has(Flags::MOUNT));
        let now = layer(ident_of(stat), stat.mount_point);
        self.leave_below(at, ctx);
        for below in self.tree.subtree(at) {
            if !self.tree.in_use(below) {
                continue;
            }
            self.forget_watching(below, ctx);
            let node = self.tree.node(below);
            if below == at || !node.has(Flags::KNOWN) {
                continue;
            }
            if !node.has(Flags::HIDDEN) {
                self.hide(below, before, ctx);
            } else if node.mark == now {
                self.show(below, ctx.now.mono);
            }
        }
        self.note_present(at, stat);
        self.ledger.hurry();
        self.list_folder(at, true, scan, ctx);
        for below in self.tree.subtree(at) {
            self.release_if_idle(below);
        }
    }

    fn hide(&mut self, at: u32, layer: u32, ctx: &mut Ctx<'_>) {
        self.tree.set_hidden(at, Some(layer));
        self.tree.node_mut(at).clear(Flags::DEFERRED);
        self.tree.node_mut(at).clear(Flags::UNLISTED);
        self.ledger.dirty(&mut self.tree, at, None);
        self.park(at, ctx);
    }

    /// A hidden entry is seen again.
    pub(super) fn show(&mut self, at: u32, now: u64) {
        self.tree.set_hidden(at, None);
        self.ledger.dirty(&mut self.tree, at, None);
        if self.pending.get(at).is_some_and(|p| p.stage == Stage::Settling) {
            self.pending.set_stage(at, Stage::Settling, now);
        }
    }

    /// What is pending of a hidden file waits until it is seen again.
    pub(super) fn park(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        self.take_back(at, ctx);
        let waits = |stage: Stage| !matches!(stage, Stage::Running(..)) && !stage.is_over();
        if self.pending.get(at).is_some_and(|p| waits(p.stage)) {
            self.pending.set_stage(at, Stage::Settling, u64::MAX);
            // Whoever waits for a sweep would wait for as long as the mount is there.
            self.answer_waiters(at, Verdict::Vanished, ctx);
        }
    }
}

/// The part of `path` that is below `top`: empty if they are the same, none if it is elsewhere.
pub(super) fn below<'a>(top: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    let top = top.strip_suffix(b"/").unwrap_or(top);
    let rest = path.strip_prefix(top)?;
    (rest.is_empty() || rest[0] == b'/').then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn a_path_is_below_another_by_whole_names() {
        assert_eq!(below(b"/a", b"/a/b"), Some(&b"/b"[..]));
        assert_eq!(below(b"/a", b"/a"), Some(&b""[..]));
        assert_eq!(below(b"/a", b"/ab"), None);
        assert_eq!(below(b"/", b"/a"), Some(&b"/a"[..]));
        assert_eq!(below(b"/a/b", b"/a"), None);
    }
}
