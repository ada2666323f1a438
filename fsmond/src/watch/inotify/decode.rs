//! From the bytes of inotify(7) to hints. No system call.

use std::collections::HashSet;

use fsmon_core::io::{Hint, HintWhat, NameHint, WatchId};
use rustix::fs::inotify::ReadFlags;

use super::super::source::Key;
use super::map::{Map, is_root};

/// Bytes before the name: descriptor, mask, cookie, length of the name with its padding.
const HEADER: usize = 16;

/// One event as the kernel told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Descriptor; -1 for an overflow.
    pub wd: i32,
    /// What.
    pub mask: ReadFlags,
    /// Pairs the two sides of a rename.
    pub cookie: u32,
    /// The name, empty for the folder itself.
    pub name: &'a [u8],
}

/// The events in what one read gave. The kernel only gives whole ones.
pub struct Events<'a>(pub &'a [u8]);

impl<'a> Iterator for Events<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let (header, rest) = self.0.split_first_chunk::<HEADER>()?;
        let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let length = usize::try_from(u32::from_ne_bytes(word(12))).ok()?;
        let padded = rest.get(..length)?;
        self.0 = &rest[length..];
        Some(Raw {
            wd: i32::from_ne_bytes(word(0)),
            mask: ReadFlags::from_bits_retain(u32::from_ne_bytes(word(4))),
            cookie: u32::from_ne_bytes(word(8)),
            name: &padded[..padded.iter().position(|b| *b == 0).unwrap_or(length)],
        })
    }
}

/// What must be remembered from one read to the next.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Descriptors that an unmount is about to take.
    unmounted: HashSet<i32>,
    /// Watches that had the first side of a rename since they were last told that the queue was read empty.
    moved: Vec<WatchId>,
    /// Events of descriptors that stand for nothing any more.
    pub stale: u64,
}

impl Decoder {
    /// Adds the hints of one event.
    pub fn event(&mut self, raw: Raw<'_>, map: &mut Map, hints: &mut Vec<Hint>) {
        if raw.mask.contains(ReadFlags::QUEUE_OVERFLOW) {
            hints.extend(map.watches().iter().map(|watch| Hint { watch: *watch, what: HintWhat::Overflow }));
        } else if raw.mask.contains(ReadFlags::IGNORED) {
            let unmounted = self.unmounted.remove(&raw.wd);
            for (watch, folder) in map.forget(raw.wd) {
                hints.push(Hint { watch, what: HintWhat::Disarmed { folder, unmounted } });
            }
        } else if !map.is_used(raw.wd) {
            self.stale += 1;
        } else if raw.mask.contains(ReadFlags::UNMOUNT) {
            self.unmounted.insert(raw.wd);
        } else if raw.name.is_empty() {
            if raw.mask.contains(ReadFlags::MOVE_SELF) {
                let roots = map.users(raw.wd).filter(|key| is_root(*key));
                hints.extend(roots.map(|key| Hint { watch: key.0, what: HintWhat::RootMoved }));
            }
        } else if let Some(how) = how(raw) {
            for key in map.users(raw.wd) {
                self.name(key, raw, how, hints);
            }
        }
    }

    fn name(&mut self, (watch, folder): Key, raw: Raw<'_>, how: NameHint, hints: &mut Vec<Hint>) {
        if matches!(how, NameHint::MovedFrom(_)) && !self.moved.contains(&watch) {
            self.moved.push(watch);
        }
        let dir = raw.mask.contains(ReadFlags::ISDIR);
        hints.push(Hint { watch, what: HintWhat::Name { folder, name: raw.name.into(), how, dir } });
    }

    /// Whether somebody waits to be told that the queue was read empty.
    pub fn awaits_empty(&self) -> bool {
        !self.moved.is_empty()
    }

    /// The queue was read empty: tells those who wait for it and are still there.
    pub fn read_empty(&mut self, map: &Map, hints: &mut Vec<Hint>) {
        let told = self.moved.drain(..).filter(|watch| map.watches().contains(watch));
        hints.extend(told.map(|watch| Hint { watch, what: HintWhat::ReadEmpty }));
    }
}

/// What an event says about its name; the kernel sets one of these bits.
fn how(raw: Raw<'_>) -> Option<NameHint> {
    let told = |flag: ReadFlags| raw.mask.contains(flag);
    Some(match () {
        () if told(ReadFlags::MODIFY) => NameHint::Modified,
        () if told(ReadFlags::CLOSE_WRITE) => NameHint::Closed,
        () if told(ReadFlags::CREATE) => NameHint::Created,
        () if told(ReadFlags::DELETE) => NameHint::Deleted,
        () if told(ReadFlags::MOVED_FROM) => NameHint::MovedFrom(raw.cookie),
        () if told(ReadFlags::MOVED_TO) => NameHint::MovedTo(raw.cookie),
        () if told(ReadFlags::ATTRIB) => NameHint::Attrib,
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use fsmon_core::io::NodeId;

    use super::*;

    fn bytes(wd: i32, mask: ReadFlags, cookie: u32, name: &[u8]) -> Vec<u8> {
        let padded = if name.is_empty() { 0 } else { (name.len() + 1).next_multiple_of(16) };
        let mut out = wd.to_ne_bytes().to_vec();
        out.extend(mask.bits().to_ne_bytes());
        out.extend(cookie.to_ne_bytes());
        out.extend(u32::try_from(padded).unwrap().to_ne_bytes());
        out.extend(name);
        out.resize(HEADER + padded, 0);
        out
    }

    fn decode(parts: &[Vec<u8>], map: &mut Map) -> Vec<HintWhat> {
        let (mut decoder, mut hints) = (Decoder::default(), Vec::new());
        for raw in Events(&parts.concat()) {
            decoder.event(raw, map, &mut hints);
        }
        if decoder.awaits_empty() {
            decoder.read_empty(map, &mut hints);
        }
        hints.into_iter().map(|hint| hint.what).collect()
    }

    fn map() -> Map {
        let mut map = Map::default();
        map.join(WatchId(1));
        map.want((WatchId(1), NodeId::ROOT));
        map.install((WatchId(1), NodeId::ROOT), 1);
        map
    }

    #[test]
    fn names_keep_their_bytes_and_cut_input_is_harmless() {
        let whole =
            [bytes(1, ReadFlags::CREATE | ReadFlags::ISDIR, 0, b"a\xff\nb"), bytes(1, ReadFlags::MODIFY, 0, b"x")];
        let name = |name: &[u8], how, dir| HintWhat::Name { folder: NodeId::ROOT, name: name.into(), how, dir };
        assert_eq!(
            decode(&whole, &mut map()),
            [name(b"a\xff\nb", NameHint::Created, true), name(b"x", NameHint::Modified, false)]
        );
        let flat = whole.concat();
        for cut in 0..flat.len() {
            assert!(Events(&flat[..cut]).count() <= 1);
        }
    }

    #[test]
    fn an_unmount_is_told_apart_and_stale_events_are_dropped() {
        let told = decode(
            &[
                bytes(1, ReadFlags::UNMOUNT, 0, b""),
                bytes(1, ReadFlags::IGNORED, 0, b""),
                bytes(1, ReadFlags::CREATE, 0, b"late"),
                bytes(-1, ReadFlags::QUEUE_OVERFLOW, 0, b""),
            ],
            &mut map(),
        );
        assert_eq!(told, [HintWhat::Disarmed { folder: NodeId::ROOT, unmounted: true }, HintWhat::Overflow]);
    }

    #[test]
    fn an_emptied_queue_is_told_after_a_rename_only() {
        assert_eq!(decode(&[bytes(1, ReadFlags::MOVED_FROM, 7, b"a")], &mut map()).last(), Some(&HintWhat::ReadEmpty));
        assert_eq!(decode(&[bytes(1, ReadFlags::MOVED_TO, 7, b"a")], &mut map()).len(), 1);
        assert_eq!(decode(&[bytes(1, ReadFlags::MOVE_SELF, 0, b"")], &mut map()), [HintWhat::RootMoved]);
    }
}
