//! Renames: the two sides are paired by the kernel's cookie. What was renamed away and whose other side is not yet
//! told is in limbo: still in the tree with all below it, under a name that no file can have.

use fsmon_protocol::RawPath;

use super::suspects::When;
use super::tell::Learnt;
use super::{Handle, Watch};
use crate::io::{Name, NodeId};
use crate::judge::Told;
use crate::shared::Ctx;
use crate::tree::{Flags, ROOT};

/// After the queue was read empty, the other side of a rename within the watch cannot take longer than this.
const AFTER_EMPTY: u64 = 2_000_000;
/// Under constant load the queue is never empty; both sides are told one after the other, so this is ample.
const AT_MOST: u64 = 1_000_000_000;

/// Where an entry was renamed from, in the terms of the tree as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct From {
    pub folder: NodeId,
    pub name: Name,
}

/// Something renamed away.
#[derive(Debug)]
pub(super) struct Limbo {
    cookie: u32,
    pub node: Handle,
    from: From,
    due: u64,
}

impl Limbo {
    /// Where it was.
    pub fn from(&self) -> &From {
        &self.from
    }
}

impl Watch {
    /// A name was renamed away.
    pub(super) fn moved_from(&mut self, folder: u32, name: &[u8], cookie: u32, dir: bool, ctx: &mut Ctx<'_>) {
        let Some(at) = self.tree.lookup(folder, name) else { return };
        if self.tree.node(at).is_dir() != dir {
            // A look was ahead of the events: what is known by this name came after the one that was renamed.
            self.suspect(at, Told::SOMETHING, When::Now, ctx);
            return;
        }
        let from = From { folder: self.tree.id(folder), name: name.into() };
        let mut hidden = name.to_vec();
        hidden.push(0);
        hidden.extend_from_slice(&cookie.to_le_bytes());
        if let Some(left) = self.tree.lookup(folder, &hidden) {
            self.tell_gone(left, Learnt::LIVE, ctx);
        }
        self.tree.relocate(at, folder, &hidden);
        if dir {
            self.listings.moved();
        }
        self.suspects.relocated(at);
        self.tree.node_mut(at).set(Flags::MOVING);
        self.forget_deferred(at, ctx);
        let due = ctx.now.mono.saturating_add(AT_MOST);
        self.limbo.push(Limbo { cookie, node: self.tree.id(at), from, due });
    }

    /// Something was renamed to this name.
    pub(super) fn moved_to(&mut self, folder: u32, name: &[u8], cookie: u32, dir: bool, ctx: &mut Ctx<'_>) {
        let limbo = self.limbo.iter().position(|l| l.cookie == cookie);
        if let Some(i) = limbo.filter(|&i| self.holds(i, folder)) {
            // No folder can be renamed into itself: a listing that was ahead of the events has misled us, and what is
            // known of both is let go and looked for anew.
            self.left(i, ctx);
            self.want_scan();
            return;
        }
        let limbo = limbo.map(|i| self.limbo.remove(i));
        let from = limbo.and_then(|l| Some((self.tree.place(l.node)?, l.from)));
        match from {
            Some((at, from)) => {
                let before = self.path_before(&from);
                // Where the folder it came from is gone, its end was told with that of the folder.
                let before = before.filter(|_| self.tree.node(at).has(Flags::KNOWN));
                if self.tree.node(at).is_dir() {
                    self.dir_arrived(at, folder, name, before, ctx);
                } else {
                    self.file_arrived(at, folder, name, before, ctx);
                }
                if let Some(folder) = self.tree.place(from.folder) {
                    self.release_if_idle(folder);
                }
            }
            // It came from where we cannot see.
            None if dir => self.dir_created(folder, name, ctx),
            None => self.arrived(folder, name, ctx),
        }
    }

    /// Whether this folder is, as far as the tree knows, below what is in limbo, or that itself.
    fn holds(&self, limbo: usize, folder: u32) -> bool {
        self.tree.place(self.limbo[limbo].node).is_some_and(|at| at == folder || self.tree.below(folder, at))
    }

    /// What a scan found of a path says nothing any more; the listing that follows a rename will.
    pub(super) fn forget_deferred(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        for below in self.tree.subtree(at) {
            if !self.tree.in_use(below) || !self.tree.node(below).has(Flags::DEFERRED) {
                continue;
            }
            self.tree.node_mut(below).clear(Flags::DEFERRED);
            if !self.tree.node(below).has(Flags::KNOWN) && below != at {
                self.forget_watching(below, ctx);
                self.release_if_idle(below);
            }
        }
    }

    /// The absolute path that an entry in limbo had.
    pub(super) fn path_before(&self, from: &From) -> Option<RawPath> {
        self.tree.place(from.folder).map(|folder| self.absolute(folder).join(&from.name))
    }

    /// A file came from somewhere unseen.
    fn arrived(&mut self, folder: u32, name: &[u8], ctx: &mut Ctx<'_>) {
        let found = self.tree.lookup(folder, name);
        let at = found.unwrap_or_else(|| self.tree.insert(folder, name, fsmon_protocol::fingerprint::FileType::File));
        self.suspect(at, Told::MOVED_TO, When::Now, ctx);
    }

    /// A file was renamed within the watch, from `before` if the journal knows it. Where there is an entry of the new
    /// name it stays, since runs and attempts belong to the path, and the one of the old name ends.
    fn file_arrived(&mut self, at: u32, folder: u32, name: &[u8], before: Option<RawPath>, ctx: &mut Ctx<'_>) {
        if let Some(there) = self.tree.lookup(folder, name).filter(|&there| self.tree.node(there).is_dir()) {
            // Only an empty folder that is gone by now can be replaced by a file.
            self.tell_gone(there, Learnt::LIVE, ctx);
            if self.tree.in_use(there) {
                self.drop_subtree(there, ctx);
            }
        }
        self.tree.node_mut(at).clear(Flags::MOVING);
        let Some(there) = self.tree.lookup(folder, name) else {
            self.tree.relocate(at, folder, name);
            self.suspects.relocated(at);
            self.told_renamed(at, before, false, ctx);
            return;
        };
        let replaced = self.tree.node(there).has(Flags::KNOWN);
        if before.is_some() {
            self.take_over(at, there);
        }
        if let Some(suspect) = self.suspects.forget(at) {
            let told = suspect.looking.map_or(suspect.told, |(_, told)| suspect.told.with(told));
            self.suspect(there, told, When::Now, ctx);
        }
        self.drop_subtree(at, ctx);
        self.told_renamed(there, before, replaced, ctx);
    }

    /// What is known of one file is now known of the one whose name it took.
    pub(super) fn take_over(&mut self, from: u32, to: u32) {
        let seen = self.ledger.fresh(from).or_else(|| self.pending.get(from).and_then(|p| p.seen));
        if let Some(pending) = self.pending.get_mut(to) {
            // What was seen at this name was another file.
            (pending.seen, pending.seen_since) = (seen, u64::MAX);
        }
        self.tree.set_known(to, true);
        let node = self.tree.node(from);
        let (ident, ctime, file_type) = (node.ident, node.ctime, node.file_type);
        self.tree.set_type(to, file_type);
        let heir = self.tree.node_mut(to);
        (heir.ident, heir.ctime) = (ident, ctime);
        self.ledger.inherit(from, to);
    }

    /// A file has its new name, at which there was another one where `replaced`: told if the old one was, and looked at.
    fn told_renamed(&mut self, at: u32, before: Option<RawPath>, replaced: bool, ctx: &mut Ctx<'_>) {
        match before {
            Some(before) => {
                self.tell_file_renamed(at, &before, replaced, ctx);
                self.suspect(at, Told::SOMETHING, When::Now, ctx);
            }
            None => self.suspect(at, Told::MOVED_TO, When::Now, ctx),
        }
    }

    /// A folder was renamed within the watch, with all below it. The kernel's word is enough.
    fn dir_arrived(&mut self, at: u32, folder: u32, name: &[u8], before: Option<RawPath>, ctx: &mut Ctx<'_>) {
        if let Some(there) = self.tree.lookup(folder, name) {
            // Only an empty folder can be replaced, so what is known below it has ended.
            self.tell_gone(there, Learnt::LIVE, ctx);
            if self.tree.in_use(there) && self.tree.lookup(folder, name) == Some(there) {
                // A deletion still to be processed holds the name; it gives way.
                self.drop_subtree(there, ctx);
            }
        }
        self.tree.node_mut(at).clear(Flags::MOVING);
        self.tree.relocate(at, folder, name);
        self.listings.moved();
        self.suspects.forget(at);
        self.tree.node_mut(at).clear(Flags::SUSPECT);
        if let Some(before) = before {
            self.tell_folder(folder, None, ctx);
            self.tell_dir_renamed(at, &before, Learnt::LIVE, ctx);
        }
        self.drop_unwanted(ctx);
        if self.tree.in_use(at) {
            // Confirms what is below, and finds what newer filters or a lost event left out.
            self.list_folder(at, true, false, ctx);
        }
    }

    /// It was renamed to a name that is not watched.
    pub(super) fn limbo_leaves(&mut self, cookie: u32, ctx: &mut Ctx<'_>) {
        if let Some(i) = self.limbo.iter().position(|l| l.cookie == cookie) {
            self.left(i, ctx);
        }
    }

    /// The source read its queue empty: renames whose other side is not told soon have none.
    pub(super) fn queue_was_empty(&mut self, now: u64) {
        for limbo in &mut self.limbo {
            limbo.due = limbo.due.min(now.saturating_add(AFTER_EMPTY));
        }
    }

    /// Ends the limbo of what is due: it was renamed out of the watch.
    pub(super) fn settle_limbo(&mut self, ctx: &mut Ctx<'_>) {
        while let Some(i) = self.limbo.iter().position(|l| l.due <= ctx.now.mono) {
            self.left(i, ctx);
        }
    }

    /// The next moment at which a limbo ends.
    pub(super) fn limbo_deadline(&self) -> Option<u64> {
        self.limbo.iter().map(|l| l.due).min()
    }

    /// Where the entry in limbo, of which `at` is a part, was before; and how many names of its path lead there.
    pub(super) fn limbo_above(&self, at: u32) -> Option<(&From, usize)> {
        if self.limbo.is_empty() {
            return None;
        }
        let mut up = at;
        while up != ROOT {
            if self.tree.node(up).has(Flags::MOVING) {
                let from = self.limbo_of(up)?;
                return Some((from, usize::try_from(self.tree.depth(up)).unwrap_or_default() + 1));
            }
            up = self.tree.node(up).parent();
        }
        None
    }

    /// Where an entry in limbo was before.
    pub(super) fn limbo_of(&self, at: u32) -> Option<&From> {
        let id = self.tree.id(at);
        self.limbo.iter().find(|l| l.node == id).map(|l| &l.from)
    }

    /// Something is told of a name from which an entry in limbo came. The kernel tells both sides of a rename before
    /// anything else of these names, so the other side is not within the watch.
    pub(super) fn name_reused(&mut self, folder: u32, name: &[u8], ctx: &mut Ctx<'_>) {
        while let Some(i) = self.limbo.iter().position(|l| l.from.folder.index == folder && *l.from.name == *name) {
            self.left(i, ctx);
        }
    }

    /// The entry in limbo is out of sight: told as a delete, under its old name.
    fn left(&mut self, i: usize, ctx: &mut Ctx<'_>) {
        let (node, from) = (self.limbo[i].node, self.limbo[i].from.clone());
        if let Some(at) = self.tree.place(node) {
            if self.put_back(at, &from) {
                self.limbo.remove(i);
                self.tell_gone(at, Learnt::LIVE, ctx);
                return;
            }
            // Its old name is taken or its old folder gone: its end is told, and nothing else can be done for it.
            self.tell_gone(at, Learnt::LIVE, ctx);
            if self.tree.place(node).is_some() {
                self.drop_subtree(at, ctx);
            }
        }
        // Not by its index: others that were below it have left with it.
        self.limbo.retain(|l| l.node != node);
    }

    /// Gives an entry in limbo its old name again. False where that is taken by now, or its old folder gone.
    fn put_back(&mut self, at: u32, from: &From) -> bool {
        let folder = self.tree.place(from.folder).filter(|&folder| self.tree.lookup(folder, &from.name).is_none());
        let Some(folder) = folder else { return false };
        self.tree.relocate(at, folder, &from.name);
        self.tree.node_mut(at).clear(Flags::MOVING);
        true
    }

    /// Events were lost, and with them perhaps the other sides of these renames: what is in limbo counts as being where it was,
    /// and the reconcile finds out where it is. Told as a delete, it would be new wherever it was found, and run again.
    pub(super) fn end_limbo_in_doubt(&mut self) {
        for limbo in std::mem::take(&mut self.limbo) {
            let known = self.tree.place(limbo.node).filter(|&at| self.tree.node(at).has(Flags::KNOWN));
            match known {
                Some(at) if self.put_back(at, &limbo.from) => {
                    self.suspects.relocated(at);
                    // What was to be found by the listing where it arrives, and is not known.
                    for below in self.tree.subtree(at).into_iter().rev() {
                        self.release_if_idle(below);
                    }
                }
                // Something else has its name by now, or nobody was told of it.
                _ => self.limbo.push(limbo),
            }
        }
    }

    /// A folder is gone. As with names, the kernel tells both sides of a rename from below it before its end.
    pub(super) fn leave_below(&mut self, top: u32, ctx: &mut Ctx<'_>) {
        let below = |this: &Self, l: &Limbo| this.tree.place(l.node).is_some_and(|at| this.tree.below(at, top));
        while let Some(i) = self.limbo.iter().position(|l| below(self, l)) {
            self.left(i, ctx);
        }
    }

    /// Ends all limbos: the source is closed.
    pub(super) fn leave_all(&mut self, ctx: &mut Ctx<'_>) {
        while !self.limbo.is_empty() {
            self.left(self.limbo.len() - 1, ctx);
        }
    }
}
