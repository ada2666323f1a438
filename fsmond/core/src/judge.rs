//! The merge table: what is known of a name, what a look saw, and what was told in between, make one verdict.
//!
//! Pure and total: every pair of facts has an entry here, and nowhere else is it decided what counts as a change.

use fsmon_protocol::event::{EventKind, Why};
use fsmon_protocol::fingerprint::FileType;

/// What the source told about a name since the last look, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told(pub u16);

impl Told {
    /// It was created.
    pub const CREATED: Self = Self(1);
    /// It was written to.
    pub const MODIFIED: Self = Self(2);
    /// It was closed after writing.
    pub const CLOSED: Self = Self(4);
    /// It was closed, and has been told while it was perhaps still open.
    pub const CLOSED_AFTER_TOLD: Self = Self(8);
    /// Mode, owner, times or links changed.
    pub const ATTRIB: Self = Self(16);
    /// It was deleted.
    pub const DELETED: Self = Self(32);
    /// Something was renamed to it.
    pub const MOVED_TO: Self = Self(64);
    /// A scan saw a difference.
    pub const SCAN: Self = Self(128);
    /// A run is due and wants to know what it will be given.
    pub const CHECK: Self = Self(256);
    /// Told by a source that cannot tell what.
    pub const SOMETHING: Self = Self(512);
    /// The first listing of a folder saw it.
    pub const FOUND: Self = Self(1024);

    /// Whether any of these is set.
    pub fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// With these set too.
    #[must_use]
    pub fn with(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// All of it but this.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a kernel event is among it, so that it was learnt live.
    pub fn live(self) -> bool {
        self.0 & !(Self::SCAN.0 | Self::CHECK.0 | Self::FOUND.0) != 0
    }
}

/// What is there, in the terms that a verdict needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub file_type: FileType,
    /// See [`crate::ident::ident`]; 0 for a folder of which only the name is known yet.
    pub ident: u64,
    /// See [`crate::ident::ctime_hash`].
    pub ctime: u32,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing happened that matters.
    Same,
    /// Only mode, owner or links changed: the new ctime is noted.
    Attrib,
    /// It was there for a moment and is gone: counted, not told.
    Transient,
    /// It is new.
    Create,
    /// Its content changed, or something else of its type took its name.
    Modify(Option<Why>),
    /// It is gone.
    Delete,
    /// It is gone and something of another type, or another folder, took its name.
    Replace,
}

impl Verdict {
    /// The kind of event it is told as, where it is one event.
    pub fn kind(self) -> Option<EventKind> {
        match self {
            Self::Create => Some(EventKind::Create),
            Self::Modify(_) => Some(EventKind::Modify),
            Self::Delete => Some(EventKind::Delete),
            Self::Same | Self::Attrib | Self::Transient | Self::Replace => None,
        }
    }
}

/// Decides. `known` is what the journal last told of the name, `seen` what a look made after everything in `told`
/// saw.
pub fn judge(known: Option<Facts>, seen: Option<Facts>, told: Told) -> Verdict {
    match (known, seen) {
        (None, None) if told.any(Told::CREATED.with(Told::MOVED_TO)) => Verdict::Transient,
        (None, None) => Verdict::Same,
        (None, Some(_)) => Verdict::Create,
        (Some(_), None) => Verdict::Delete,
        (Some(known), Some(seen)) if known.file_type != seen.file_type => Verdict::Replace,
        (Some(known), Some(seen)) if seen.file_type == FileType::Dir => {
            if known.ident == seen.ident || known.ident == 0 { Verdict::Same } else { Verdict::Replace }
        }
        (Some(known), Some(seen)) => same_type(known, seen, told),
    }
}

/// Something other than a folder was there and is there. A write, a create and a rename to it are changes by
/// themselves, since two writes can leave one fingerprint; a bare close, a change of attributes and a scan need a
/// difference.
fn same_type(known: Facts, seen: Facts, told: Told) -> Verdict {
    let strong = Told::MODIFIED.with(Told::CREATED).with(Told::MOVED_TO).with(Told::CLOSED_AFTER_TOLD);
    if known.ident != seen.ident || told.any(strong) {
        return Verdict::Modify(None);
    }
    if known.ctime == seen.ctime {
        return Verdict::Same;
    }
    // Live, a changed ctime alone is mode, owner or links: a write would have been told. Found by a scan it may be a
    // write whose size and mtime were put back, so it counts.
    if told.live() { Verdict::Attrib } else { Verdict::Modify(Some(Why::Ctime)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [FileType; 4] = [FileType::File, FileType::Dir, FileType::Symlink, FileType::Other];

    fn all_facts() -> Vec<Option<Facts>> {
        let mut all = vec![None];
        for file_type in TYPES {
            for ident in [1, 2] {
                for ctime in [1, 2] {
                    all.push(Some(Facts { file_type, ident, ctime }));
                }
            }
        }
        all
    }

    /// Every pair of facts under every combination of what can be told.
    fn every(mut check: impl FnMut(Option<Facts>, Option<Facts>, Told, Verdict)) {
        for known in all_facts() {
            for seen in all_facts() {
                for told in 0..2048 {
                    let told = Told(told);
                    check(known, seen, told, judge(known, seen, told));
                }
            }
        }
    }

    #[test]
    fn what_is_there_afterwards_is_what_was_seen() {
        every(|known, seen, told, verdict| {
            let there = match verdict {
                Verdict::Same | Verdict::Attrib => known.is_some(),
                Verdict::Create | Verdict::Modify(_) | Verdict::Replace => true,
                Verdict::Delete | Verdict::Transient => false,
            };
            assert_eq!(there, seen.is_some(), "{known:?} {seen:?} {told:?} {verdict:?}");
        });
    }

    #[test]
    fn a_different_ident_or_type_is_always_told() {
        every(|known, seen, told, verdict| {
            if let (Some(k), Some(s)) = (known, seen)
                && (k.file_type != s.file_type || k.ident != s.ident)
            {
                assert!(matches!(verdict, Verdict::Modify(_) | Verdict::Replace), "{k:?} {s:?} {told:?} {verdict:?}");
            }
        });
    }

    #[test]
    fn an_equal_fingerprint_silences_only_weak_hints() {
        every(|known, seen, told, verdict| {
            if known == seen && known.is_some_and(|k| k.file_type != FileType::Dir) {
                let weak = Told::CLOSED.with(Told::ATTRIB).with(Told::SCAN).with(Told::CHECK);
                let weak = weak.with(Told::SOMETHING).with(Told::DELETED).with(Told::FOUND);
                assert_eq!(verdict == Verdict::Same, told.0 & !weak.0 == 0, "{known:?} {told:?} {verdict:?}");
            }
        });
    }

    #[test]
    fn ctime_alone_is_a_modify_only_when_a_scan_found_it() {
        let known = Facts { file_type: FileType::File, ident: 1, ctime: 1 };
        let seen = Facts { ctime: 2, ..known };
        let verdict = |told| judge(Some(known), Some(seen), told);
        assert_eq!(verdict(Told::ATTRIB), Verdict::Attrib);
        assert_eq!(verdict(Told::CLOSED), Verdict::Attrib);
        assert_eq!(verdict(Told::SCAN), Verdict::Modify(Some(Why::Ctime)));
        assert_eq!(verdict(Told::SCAN.with(Told::ATTRIB)), Verdict::Attrib);
    }
}
