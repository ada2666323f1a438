//! Probes: files that `doctor` makes in the root of a watch and removes at once, to see whether what happens there is
//! heard. They are never told, never in the tree, never run, in no watch, whoever made them. A file that is deleted after its
//! run has such a name for a moment, too.

use super::Watch;
use crate::io::Name;

/// How the name of every probe begins. Files of such names are never watched.
pub const PREFIX: &str = ".fsmond-probe-";

/// Whether this is the name of a probe.
pub fn is_probe(name: &[u8]) -> bool {
    name.starts_with(PREFIX.as_bytes())
}

impl Watch {
    /// A probe of this name is about to be made in the root. It takes the place of an earlier one.
    pub fn expect_probe(&mut self, name: Name) {
        self.probe = Some((name, false));
    }

    /// Whether the probe of this name was heard of.
    pub fn heard_probe(&self, name: &[u8]) -> bool {
        self.probe.as_ref().is_some_and(|(expected, heard)| **expected == *name && *heard)
    }

    /// The kernel told of a probe.
    pub(super) fn hear_probe(&mut self, folder: u32, name: &[u8]) {
        if let Some((expected, heard)) = &mut self.probe
            && folder == crate::tree::ROOT
            && **expected == *name
        {
            *heard = true;
        }
    }
}
