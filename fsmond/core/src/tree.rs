//! The one tree of a watch: folders and files as nodes with a parent, never path strings.
//!
//! It is an arena with a hash index over (folder, name) and lists of siblings, about 70 bytes and the name per file.
//! It knows nothing of events, time or rules. Places (`u32`) are stable while an entry lives and reused later with
//! another generation. The order of siblings means nothing.

mod node;

use std::hash::BuildHasher;

use fsmon_protocol::fingerprint::FileType;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::io::NodeId;

use node::ShortName;
pub use node::{Flags, Node};

/// No node.
const NONE: u32 = u32::MAX;

/// The place of the root folder.
pub const ROOT: u32 = 0;

/// The tree of one watch.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    free: u32,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    files: u64,
    folders: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// A tree of only a root folder, which is known.
    pub fn new() -> Self {
        let mut root = Node::new(&[], ROOT, FileType::Dir, 0);
        root.set(Flags::KNOWN);
        let hasher = DefaultHashBuilder::default();
        Self { nodes: vec![root], free: NONE, index: HashTable::new(), hasher, files: 0, folders: 1 }
    }

    /// Known entries that are not folders and can be seen.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Known folders, the root included.
    pub fn folders(&self) -> u64 {
        self.folders
    }

    /// The node at a place that is in use.
    pub fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    /// The node at a place that is in use, to change it.
    pub fn node_mut(&mut self, at: u32) -> &mut Node {
        &mut self.nodes[at as usize]
    }

    /// The id of the entry at this place, for sending out.
    pub fn id(&self, at: u32) -> NodeId {
        NodeId { index: at, generation: self.node(at).generation }
    }

    /// The place of an entry, if it is still the one that was meant.
    pub fn place(&self, id: NodeId) -> Option<u32> {
        let node = self.nodes.get(id.index as usize)?;
        (node.generation == id.generation && !node.has(Flags::FREE)).then_some(id.index)
    }

    /// Whether a place is in use.
    pub fn in_use(&self, at: u32) -> bool {
        self.nodes.get(at as usize).is_some_and(|n| !n.has(Flags::FREE))
    }

    /// How many places there are, free ones included.
    pub fn places(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(NONE)
    }

    /// The entry of this name in this folder.
    pub fn lookup(&self, folder: u32, name: &[u8]) -> Option<u32> {
        let hash = self.hash(folder, name);
        let found = self.index.find(hash, |&at| {
            let node = &self.nodes[at as usize];
            node.parent == folder && *node.name == *name
        });
        found.copied()
    }

    /// A new entry, not yet known. There must be none of this name.
    pub fn insert(&mut self, folder: u32, name: &[u8], file_type: FileType) -> u32 {
        let at = if self.free == NONE {
            self.nodes.push(Node::new(&[], folder, file_type, 0));
            self.places() - 1
        } else {
            let at = self.free;
            self.free = self.nodes[at as usize].next;
            at
        };
        let generation = self.nodes[at as usize].generation;
        self.nodes[at as usize] = Node::new(name, folder, file_type, generation);
        self.link(at);
        at
    }

    /// A stored entry at its stored place. Returns false where that place is taken or makes no sense.
    pub fn insert_at(&mut self, at: u32, folder: u32, name: &[u8], file_type: FileType) -> bool {
        while self.places() <= at {
            let mut gap = Node::new(&[], ROOT, FileType::Other, 0);
            gap.set(Flags::FREE);
            self.nodes.push(gap);
        }
        if at == ROOT || self.in_use(at) {
            return false;
        }
        self.nodes[at as usize] = Node::new(name, folder, file_type, 0);
        true
    }

    /// After the last [`Tree::insert_at`]: links what was inserted, and drops what cannot be reached from the root or
    /// stands twice. Returns how many were dropped.
    pub fn link_inserted(&mut self) -> u32 {
        let reached: Vec<bool> = (0..self.places()).map(|at| self.in_use(at) && self.leads_to_root(at)).collect();
        let mut dropped = 0;
        for at in (1..self.places()).rev() {
            let usable = reached[at as usize] && {
                let node = &self.nodes[at as usize];
                self.lookup(node.parent, node.name()).is_none()
            };
            if usable {
                self.link(at);
            } else {
                dropped += u32::from(self.in_use(at));
                self.release(at);
            }
        }
        dropped
    }

    fn leads_to_root(&self, mut at: u32) -> bool {
        for _ in 0..self.nodes.len() {
            if at == ROOT {
                return true;
            }
            at = self.nodes[at as usize].parent;
            if !self.in_use(at) || !self.nodes[at as usize].is_dir() {
                return false;
            }
        }
        false
    }

    /// Marks an entry as known or not, and keeps count.
    pub fn set_known(&mut self, at: u32, known: bool) {
        self.recount(at, |node| {
            if known {
                node.set(Flags::KNOWN);
            } else {
                node.clear(Flags::KNOWN);
                node.clear(Flags::HIDDEN);
            }
        });
    }

    /// A known entry lies on a layer of mounts that cannot be seen now; or can be seen again.
    pub fn set_hidden(&mut self, at: u32, layer: Option<u32>) {
        self.recount(at, |node| match layer {
            Some(layer) => {
                node.set(Flags::HIDDEN);
                node.mark = layer;
            }
            None => node.clear(Flags::HIDDEN),
        });
    }

    /// Changes an entry and keeps count of those that are known and can be seen.
    fn recount(&mut self, at: u32, change: impl FnOnce(&mut Node)) {
        let counts = |node: &Node| node.has(Flags::KNOWN) && !node.has(Flags::HIDDEN);
        let node = &mut self.nodes[at as usize];
        let before = counts(node);
        change(node);
        let after = counts(node);
        let count = if node.is_dir() { &mut self.folders } else { &mut self.files };
        *count = *count + u64::from(after) - u64::from(before);
    }

    /// Changes what an entry is.
    pub fn set_type(&mut self, at: u32, file_type: FileType) {
        let known = self.node(at).has(Flags::KNOWN);
        // What is hidden is of the type it had.
        self.set_known(at, false);
        self.node_mut(at).file_type = file_type;
        self.set_known(at, known);
    }

    /// Moves an entry with all below it to another folder and name. There must be none of this name.
    pub fn relocate(&mut self, at: u32, folder: u32, name: &[u8]) {
        debug_assert!(at != folder && !self.below(folder, at));
        self.unlink(at);
        let node = &mut self.nodes[at as usize];
        node.parent = folder;
        node.name = ShortName::from_slice(name);
        self.link(at);
    }

    /// Takes away an entry that has nothing below it.
    pub fn remove(&mut self, at: u32) {
        debug_assert!(at != ROOT && self.in_use(at) && self.nodes[at as usize].first_child == NONE);
        self.set_known(at, false);
        self.unlink(at);
        self.release(at);
    }

    fn release(&mut self, at: u32) {
        let next = self.free;
        let node = &mut self.nodes[at as usize];
        *node = Node::new(&[], ROOT, FileType::Other, node.generation.wrapping_add(1));
        node.set(Flags::FREE);
        node.next = next;
        self.free = at;
    }

    /// Whether anything is below this entry.
    pub fn has_children(&self, at: u32) -> bool {
        self.node(at).first_child != NONE
    }

    /// The entries of a folder, in no particular order.
    pub fn children(&self, folder: u32) -> impl Iterator<Item = u32> + '_ {
        self.chain(self.node(folder).first_child)
    }

    /// An entry and those that come after it among [`Tree::children`] of its folder.
    pub fn siblings_from(&self, at: u32) -> impl Iterator<Item = u32> + '_ {
        self.chain(at)
    }

    fn chain(&self, mut at: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::from_fn(move || {
            (at != NONE).then(|| {
                let this = at;
                at = self.node(this).next;
                this
            })
        })
    }

    /// All entries below this one, each before its folder, and last the entry itself.
    pub fn subtree(&self, top: u32) -> Vec<u32> {
        let mut all = vec![top];
        let mut next = 0;
        while next < all.len() {
            all.extend(self.children(all[next]));
            next += 1;
        }
        all.reverse();
        all
    }

    /// The path of an entry relative to the root; empty for the root.
    pub fn path(&self, at: u32) -> Vec<u8> {
        let mut length = 0;
        let mut up = at;
        while up != ROOT {
            length += self.node(up).name.len() + 1;
            up = self.node(up).parent;
        }
        let mut path = vec![b'/'; length.saturating_sub(1)];
        let mut end = path.len();
        up = at;
        while up != ROOT {
            let name = &self.node(up).name;
            path[end - name.len()..end].copy_from_slice(name);
            end = (end - name.len()).saturating_sub(1);
            up = self.node(up).parent;
        }
        path
    }

    /// The inode of a folder, 0 where it is not known or not stable, and for the root: who opened it knows which it is,
    /// and it may be another one by now.
    pub fn inode(&self, at: u32) -> u64 {
        if at != ROOT && self.node(at).ident > 1 { self.node(at).ident } else { 0 }
    }

    /// How many folders an entry is below the root: 0 for the root's own entries.
    pub fn depth(&self, at: u32) -> u32 {
        let mut depth = 0;
        let mut up = self.node(at).parent;
        while up != ROOT {
            depth += 1;
            up = self.node(up).parent;
        }
        depth
    }

    /// Whether an entry is below another one.
    pub fn below(&self, mut at: u32, top: u32) -> bool {
        while at != ROOT {
            at = self.node(at).parent();
            if at == top {
                return true;
            }
        }
        false
    }

    /// Whether this entry or a folder above it is being renamed to a place not yet known.
    pub fn moving(&self, mut at: u32) -> bool {
        while at != ROOT {
            if self.node(at).has(Flags::MOVING) {
                return true;
            }
            at = self.node(at).parent;
        }
        false
    }

    /// The entry at this path relative to the root.
    pub fn resolve(&self, path: &[u8]) -> Option<u32> {
        let mut at = ROOT;
        for name in path.split(|&b| b == b'/').filter(|n| !n.is_empty()) {
            at = self.lookup(at, name)?;
        }
        Some(at)
    }

    fn hash(&self, folder: u32, name: &[u8]) -> u64 {
        self.hasher.hash_one((folder, name))
    }

    fn link(&mut self, at: u32) {
        let folder = self.nodes[at as usize].parent;
        let head = self.nodes[folder as usize].first_child;
        let node = &mut self.nodes[at as usize];
        node.next = head;
        node.prev = NONE;
        if head != NONE {
            self.nodes[head as usize].prev = at;
        }
        self.nodes[folder as usize].first_child = at;
        let hash = self.hash(folder, self.nodes[at as usize].name());
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.index.insert_unique(hash, at, |&other| {
            let node = &nodes[other as usize];
            hasher.hash_one((node.parent, node.name.as_slice()))
        });
    }

    fn unlink(&mut self, at: u32) {
        let node = &self.nodes[at as usize];
        let (folder, next, prev) = (node.parent, node.next, node.prev);
        let hash = self.hash(folder, &node.name);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == at) {
            entry.remove();
        }
        if prev == NONE {
            self.nodes[folder as usize].first_child = next;
        } else {
            self.nodes[prev as usize].next = next;
        }
        if next != NONE {
            self.nodes[next as usize].prev = prev;
        }
    }
}

#[cfg(test)]
mod tests;
