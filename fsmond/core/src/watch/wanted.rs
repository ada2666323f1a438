//! Whether an entry is watched: its name, the filters, and what the ignore files in the tree say. It decides nothing
//! else and changes nothing.

use super::{Watch, probe};
use crate::ignores::{self, IgnoreFile};
use crate::tree::ROOT;

impl Watch {
    /// Whether an entry of this name is watched, given that its folder is.
    pub(super) fn wanted(&self, folder: u32, name: &[u8], dir: bool) -> bool {
        if probe::is_probe(name) {
            return false;
        }
        if let Some(only) = &self.only {
            return folder == ROOT && !dir && **only == *name;
        }
        if self.filter.is_trivial() && !self.rules.gitignore {
            return true;
        }
        let mut rel = self.tree.path(folder);
        if !rel.is_empty() {
            rel.push(b'/');
        }
        rel.extend_from_slice(name);
        let let_in = if dir {
            let depth = if folder == ROOT { 1 } else { self.tree.depth(folder) + 2 };
            self.filter.folder(&rel, depth)
        } else {
            self.filter.file(&rel)
        };
        let_in && !(self.rules.gitignore && self.is_ignored(folder, &rel, dir, |at| self.ignores.get(at)))
    }

    /// The same for a folder of the tree, or what is to be one.
    pub(super) fn folder_wanted(&self, at: u32) -> bool {
        let node = self.tree.node(at);
        self.wanted(node.parent(), node.name(), true)
    }

    /// Whether what is at `rel`, in this folder, is ignored by these ignore files. The folder itself is not.
    pub(super) fn is_ignored<'a>(
        &self,
        folder: u32,
        rel: &[u8],
        dir: bool,
        of: impl Fn(u32) -> Option<&'a IgnoreFile>,
    ) -> bool {
        let name = rel.rsplit(|&b| b == b'/').next().unwrap_or(rel);
        name == ignores::GIT || self.ignored_by(folder, rel, dir, of).is_some_and(|by| by.2)
    }

    /// What the nearest of the ignore files that says anything about `rel`, in this folder, says: the place of its folder,
    /// the file, and whether it ignores it.
    pub(super) fn ignored_by<'a>(
        &self,
        folder: u32,
        rel: &[u8],
        dir: bool,
        of: impl Fn(u32) -> Option<&'a IgnoreFile>,
    ) -> Option<(u32, &'a IgnoreFile, bool)> {
        let (mut at, mut from) = (folder, rel.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1));
        loop {
            if let Some(file) = of(at)
                && let Some(ignored) = rel.get(from..).and_then(|rel| file.ignores(rel, dir))
            {
                return Some((at, file, ignored));
            }
            if at == ROOT {
                return None;
            }
            from = from.saturating_sub(self.tree.node(at).name().len() + 1);
            at = self.tree.node(at).parent();
        }
    }
}
