//! Pairing: what a scan found gone and what it found new are one thing under another name, where inode (and of a file
//! size and mtime) are the same. So a rename that nobody saw is told as what it was.

use std::collections::{HashMap, HashSet};

use fsmon_protocol::fingerprint::FileType;

use super::tell::Learnt;
use super::{Handle, Watch};
use crate::ident::{dir_ident, ident_of};
use crate::io::Stat;
use crate::shared::Ctx;
use crate::tree::Flags;

impl Watch {
    /// Pairs folders: each moves with all below it, and is then compared like any other. Returns whether there was any.
    pub(super) fn pair_folders(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let Some(scan) = &self.scan else { return false };
        let new: Vec<(Handle, Stat)> = scan.born.iter().filter(|(_, s)| pairs_folder(s)).copied().collect();
        if new.is_empty() {
            return false;
        }
        let mut old: HashMap<u64, Handle> = HashMap::new();
        let mut by_file: HashMap<(&[u8], u64), Handle> = HashMap::new();
        for top in scan.gone.iter().filter_map(|&id| self.usable(id, true)) {
            for at in self.tree.subtree(top) {
                let node = self.tree.node(at);
                if !node.has(Flags::KNOWN) || node.has(Flags::HIDDEN) {
                    continue;
                }
                if node.is_dir() && node.ident > 1 {
                    old.insert(node.ident, self.tree.id(at));
                } else if !node.is_dir() && self.tree.node(node.parent()).ident == 0 {
                    // Its folder was told before its inode was known, and a crash came before it was stored.
                    by_file.insert((node.name(), node.ident), self.tree.id(node.parent()));
                }
            }
        }
        let mut of_files: HashMap<u32, Handle> = HashMap::new();
        for (id, stat) in scan.born.iter().filter(|(_, stat)| stat.fingerprint.inode != 0 && !by_file.is_empty()) {
            if let Some(at) = self.usable(*id, false)
                && let Some(&folder) = by_file.get(&(self.tree.node(at).name(), ident_of(stat)))
            {
                of_files.insert(self.tree.node(at).parent(), folder);
            }
        }
        let mut any = false;
        for (id, stat) in new {
            let Some(new) = self.usable(id, false) else { continue };
            let old = old.remove(&dir_ident(stat.fingerprint.inode)).or_else(|| of_files.remove(&new));
            let old = old.and_then(|id| self.tree.place(id));
            if let Some(old) = old.filter(|&old| !self.tree.below(new, old)) {
                self.folder_moved(old, new, ctx);
                any = true;
            }
        }
        any
    }

    /// A known folder is now where a new one was found.
    fn folder_moved(&mut self, old: u32, new: u32, ctx: &mut Ctx<'_>) {
        let from = self.absolute(old);
        let (folder, name) = (self.tree.node(new).parent(), self.tree.node(new).name().to_vec());
        // Before the place of the new one goes: its folder may be there for it only.
        self.tell_folder(folder, None, ctx);
        self.drop_subtree(new, ctx);
        let before = self.tree.node(old).parent();
        self.forget_deferred(old, ctx);
        self.tree.relocate(old, folder, &name);
        self.listings.moved();
        self.release_if_idle(before);
        self.tell_dir_renamed(old, &from, Learnt::SCANNED, ctx);
        self.drop_unwanted(ctx);
        if self.tree.in_use(old) {
            self.list_folder(old, true, true, ctx);
        }
    }

    pub(super) fn known_file(&self, at: u32) -> bool {
        let node = self.tree.node(at);
        node.has(Flags::KNOWN) && !node.is_dir() && !node.has(Flags::HIDDEN)
    }

    /// Pairs what is gone with what is new, by inode, size and mtime. Gives (old, new) pairs, and takes them out of the two
    /// lists. All of these findings still stand.
    pub(super) fn pair(&self, born: &mut Vec<(Handle, Stat)>, gone: &mut Vec<Handle>) -> Vec<(u32, u32, Stat)> {
        let places = gone.iter().filter_map(|&id| self.tree.place(id));
        let mut by_ident: HashMap<u64, Vec<u32>> = HashMap::new();
        for at in places.flat_map(|at| self.tree.subtree(at)).filter(|&at| self.known_file(at)) {
            by_ident.entry(self.tree.node(at).ident).or_default().push(at);
        }
        let mut renames = Vec::new();
        born.retain(|(id, stat)| {
            let stable = stat.file_type == FileType::File && stat.fingerprint.inode != 0;
            let old = by_ident.get_mut(&ident_of(stat)).filter(|_| stable).and_then(Vec::pop);
            let pair = old.zip(self.tree.place(*id));
            renames.extend(pair.map(|(old, new)| (old, new, *stat)));
            pair.is_none()
        });
        let renamed: HashSet<Handle> = renames.iter().map(|&(old, ..)| self.tree.id(old)).collect();
        gone.retain(|id| !renamed.contains(id));
        renames
    }

    /// The place of a finding that still stands: nothing was told of it since.
    pub(super) fn usable(&self, id: Handle, known: bool) -> Option<u32> {
        self.tree.place(id).filter(|&at| {
            let node = self.tree.node(at);
            node.has(Flags::KNOWN) == known && node.has(Flags::DEFERRED)
        })
    }
}

/// Inodes of folders say which they are, but for those that are made up, and the tops of file systems.
fn pairs_folder(stat: &Stat) -> bool {
    stat.file_type == FileType::Dir && stat.fingerprint.inode > 1 && !stat.mount_point
}
