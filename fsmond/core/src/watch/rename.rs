//! Renames: the two sides are paired by the kernel's cookie. What was renamed away and whose other side is not yet
//! told is in limbo: still in the tree with all below it, under a name that no file can have.

use fsmon_protocol::event::Origin;

use super::suspects::{From, When};
use super::{Handle, Watch};
use crate::io::Name;
use crate::judge::Told;
use crate::shared::Ctx;
use crate::tree::{Flags, ROOT};

/// After the queue was read empty, the other side of a rename within the watch cannot take longer than this.
const AFTER_EMPTY: u64 = 2_000_000;
/// Under constant load the queue is never empty; both sides are told one after the other, so this is ample.
const AT_MOST: u64 = 1_000_000_000;

/// Something renamed away.
#[derive(Debug)]
pub(super) struct Limbo {
    cookie: u32,
    node: Handle,
    from: From,
    due: u64,
}

impl Watch {
    /// A name was renamed away.
    pub(super) fn moved_from(&mut self, folder: u32, name: &[u8], cookie: u32, ctx: &mut Ctx<'_>) {
        let Some(at) = self.tree.lookup(folder, name) else { return };
        // If it came here by a rename that is not yet told, it comes from there.
        let from = self.suspects.suspect(at, Told::default(), When::Later, ctx.now.mono).from.take();
        let from = from.unwrap_or_else(|| From { folder: self.tree.id(folder), name: name.into() });
        let mut hidden = name.to_vec();
        hidden.push(0);
        hidden.extend_from_slice(&cookie.to_le_bytes());
        if let Some(left) = self.tree.lookup(folder, &hidden) {
            self.tell_gone(left, Origin::Live, ctx);
        }
        self.tree.relocate(at, folder, hidden.into());
        self.suspects.relocated(at);
        self.tree.node_mut(at).set(Flags::MOVING);
        self.tree.node_mut(at).set(Flags::SUSPECT);
        let due = ctx.now.mono.saturating_add(AT_MOST);
        self.limbo.push(Limbo { cookie, node: self.tree.id(at), from, due });
    }

    /// Something was renamed to this name.
    pub(super) fn moved_to(&mut self, folder: u32, name: Name, cookie: u32, dir: bool, ctx: &mut Ctx<'_>) {
        let Some(limbo) = self.take_limbo(cookie) else {
            // It came from where we cannot see.
            if dir {
                self.dir_created(folder, name, ctx);
            } else {
                self.arrived(folder, name, ctx);
            }
            return;
        };
        let Some(at) = self.tree.place(limbo.node) else {
            self.arrived(folder, name, ctx);
            return;
        };
        self.tree.node_mut(at).clear(Flags::MOVING);
        if self.tree.node(at).is_dir() {
            self.dir_arrived(at, folder, name, &limbo.from, ctx);
        } else {
            self.file_arrived(at, folder, name, limbo.from, ctx);
        }
    }

    /// A file came from somewhere unseen.
    fn arrived(&mut self, folder: u32, name: Name, ctx: &mut Ctx<'_>) {
        let found = self.tree.lookup(folder, &name);
        let at = found.unwrap_or_else(|| self.tree.insert(folder, name, fsmon_protocol::fingerprint::FileType::File));
        self.suspect(at, Told::MOVED_TO, When::Now, ctx);
    }

    /// A file was renamed within the watch. Where there is an entry of the new name it stays, since runs and attempts
    /// belong to the path, and the one of the old name ends.
    fn file_arrived(&mut self, at: u32, folder: u32, name: Name, from: From, ctx: &mut Ctx<'_>) {
        let known = self.tree.node(at).has(Flags::KNOWN);
        let here = match self.tree.lookup(folder, &name) {
            Some(there) if self.tree.node(there).is_dir() => {
                // Only an empty folder that is gone by now can be replaced; its end is told by the look.
                self.suspect(there, Told::MOVED_TO, When::Now, ctx);
                self.note_gone(at, fsmon_protocol::run::Trigger::FileChange, ctx);
                return;
            }
            Some(there) => {
                self.forget_pending(at, ctx);
                self.note_gone(at, fsmon_protocol::run::Trigger::FileChange, ctx);
                there
            }
            None => {
                self.tree.relocate(at, folder, name);
                self.suspects.relocated(at);
                self.ledger.dirty(&mut self.tree, at, None);
                at
            }
        };
        self.suspect(here, Told::MOVED_TO, When::Now, ctx);
        if known {
            self.suspects.suspect(here, Told::MOVED_TO, When::Now, ctx.now.mono).from = Some(from);
        }
    }

    /// A folder was renamed within the watch, with all below it. The kernel's word is enough.
    fn dir_arrived(&mut self, at: u32, folder: u32, name: Name, from: &From, ctx: &mut Ctx<'_>) {
        if let Some(there) = self.tree.lookup(folder, &name) {
            // Only an empty folder can be replaced, so what is known below it has ended.
            self.tell_gone(there, Origin::Live, ctx);
            if self.tree.in_use(there) && self.tree.lookup(folder, &name) == Some(there) {
                // A deletion still to be processed holds the name; it gives way.
                self.drop_subtree(there, ctx);
            }
        }
        let before = self.tree.place(from.folder).map(|f| self.absolute(f).join(&from.name));
        self.tree.relocate(at, folder, name);
        self.suspects.forget(at);
        self.tree.node_mut(at).clear(Flags::SUSPECT);
        match before {
            Some(before) if self.tree.node(at).has(Flags::KNOWN) => {
                self.tell_folder(folder, 0, ctx);
                self.tell_dir_renamed(at, &before, ctx);
            }
            _ => {}
        }
        self.drop_unwanted(ctx);
        if self.tree.in_use(at) {
            // Confirms what is below, and finds what newer filters or a lost event left out.
            self.list_folder(at, true, false, ctx);
        }
    }

    /// It was renamed to a name that is not watched.
    pub(super) fn limbo_leaves(&mut self, cookie: u32, ctx: &mut Ctx<'_>) {
        if let Some(limbo) = self.take_limbo(cookie) {
            self.left(&limbo, ctx);
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
            let limbo = self.limbo.remove(i);
            self.left(&limbo, ctx);
        }
    }

    /// The next moment at which a limbo ends.
    pub(super) fn limbo_deadline(&self) -> Option<u64> {
        self.limbo.iter().map(|l| l.due).min()
    }

    fn take_limbo(&mut self, cookie: u32) -> Option<Limbo> {
        let i = self.limbo.iter().position(|l| l.cookie == cookie)?;
        Some(self.limbo.remove(i))
    }

    /// It is out of sight: told as a delete, under its old name. Something may have taken that name since.
    pub(super) fn left(&mut self, limbo: &Limbo, ctx: &mut Ctx<'_>) {
        let Some(at) = self.tree.place(limbo.node) else { return };
        self.tree.node_mut(at).clear(Flags::MOVING);
        let folder = self.tree.place(limbo.from.folder).unwrap_or(ROOT);
        if let Some(since) = self.tree.lookup(folder, &limbo.from.name) {
            // One name, two facts: what is known of the old one passes to the new one, so that a look tells a modify.
            if self.tree.node(at).has(Flags::KNOWN)
                && !self.tree.node(since).has(Flags::KNOWN)
                && !self.tree.node(at).is_dir()
            {
                self.tree.set_known(since, true);
                let (ident, ctime) = (self.tree.node(at).ident, self.tree.node(at).ctime);
                let heir = self.tree.node_mut(since);
                (heir.ident, heir.ctime) = (ident, ctime);
            }
            self.forget_pending(at, ctx);
            self.drop_subtree(at, ctx);
            self.suspect(since, Told::MOVED_TO, When::Now, ctx);
            return;
        }
        self.tree.relocate(at, folder, limbo.from.name.clone());
        self.tell_gone(at, Origin::Live, ctx);
    }
}
