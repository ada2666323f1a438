//! Which of the files that are ready starts next (`--order`), and which of them must not run beside each other
//! (`--key`): files of one key are a lane, in which the next one starts when the one before is done or set aside.
//!
//! A file takes its place once it is complete; what is still being written holds up nobody. One that failed and is to
//! be tried again keeps its lane.

use std::collections::{BTreeSet, HashMap};

use fsmon_protocol::ApiError;
use fsmon_protocol::path::escape;
use fsmon_protocol::spec::Rules;
use regex::bytes::Regex;

/// A place in the order: by time, then by name, then by when it became ready.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Nanoseconds.
    pub time: i64,
    /// Path.
    pub name: Box<[u8]>,
    /// Set by [`Lanes::enter`].
    pub came: u64,
}

/// What files of one lane have in common.
pub type Key = Box<[u8]>;

/// Where a file stands that is ready.
#[derive(Debug, Clone)]
struct Place {
    rank: Rank,
    key: Option<Key>,
}

/// All files of one watch that are ready, in their order.
#[derive(Debug, Default)]
pub struct Lanes {
    places: HashMap<u32, Place>,
    /// Those that may start now, unless their lane is held by another.
    next: BTreeSet<(Rank, u32)>,
    /// Those that wait for the holder of their lane.
    waiting: HashMap<Key, BTreeSet<(Rank, u32)>>,
    /// The file that holds a lane, from its first start on.
    held: HashMap<Key, u32>,
    holds: HashMap<u32, Key>,
    came: u64,
}

impl Lanes {
    /// It is ready now.
    pub fn enter(&mut self, at: u32, mut rank: Rank, key: Option<Key>) {
        self.leave(at);
        if self.holds.get(&at).is_some_and(|held| Some(held) != key.as_ref()) {
            // It was renamed since it held that lane: two that have changed places would wait for each other.
            self.let_go(at);
        }
        self.came += 1;
        rank.came = self.came;
        self.next.insert((rank.clone(), at));
        self.places.insert(at, Place { rank, key });
    }

    /// It is not ready any more. Gives its key.
    fn leave(&mut self, at: u32) -> Option<Key> {
        let Place { rank, key } = self.places.remove(&at)?;
        let entry = (rank, at);
        if !self.next.remove(&entry)
            && let Some(key) = &key
            && let Some(waiting) = self.waiting.get_mut(key)
        {
            waiting.remove(&entry);
            if waiting.is_empty() {
                self.waiting.remove(key);
            }
        }
        key
    }

    /// It holds its lane: its run is under way, or is to be made again.
    pub fn hold(&mut self, at: u32, key: Key) {
        self.held.insert(key.clone(), at);
        self.holds.insert(at, key);
    }

    /// Nothing more is to be run for it: the next of its lane may start.
    pub fn release(&mut self, at: u32) {
        let waited = self.leave(at);
        self.let_go(at);
        self.pass_on(waited);
    }

    /// It holds no lane any more.
    fn let_go(&mut self, at: u32) {
        let Some(key) = self.holds.remove(&at) else { return };
        if self.holder(&key) == Some(at) {
            self.held.remove(&key);
        }
        self.pass_on(Some(key));
    }

    /// The next one to start, which holds its lane from now on; `ready` says whether it still is.
    pub fn take(&mut self, ready: impl Fn(u32) -> bool) -> Option<u32> {
        while let Some((rank, at)) = self.next.pop_first() {
            let Some(place) = self.places.get(&at) else { continue };
            let key = place.key.clone();
            if !ready(at) {
                self.places.remove(&at);
                self.pass_on(key);
                continue;
            }
            if let Some(key) = key {
                if self.holder(&key).is_some_and(|holder| holder != at) {
                    self.waiting.entry(key).or_default().insert((rank, at));
                    continue;
                }
                self.hold(at, key);
            }
            self.places.remove(&at);
            return Some(at);
        }
        None
    }

    /// Where nobody holds this lane, the first that waits for it is next; who comes before it is seen among all that are
    /// ready.
    fn pass_on(&mut self, key: Option<Key>) {
        let free = key.filter(|key| !self.held.contains_key(key));
        if let Some(key) = free
            && let Some(mut waiting) = self.waiting.remove(&key)
        {
            self.next.extend(waiting.pop_first());
            if !waiting.is_empty() {
                self.waiting.insert(key, waiting);
            }
        }
    }

    fn holder(&self, key: &[u8]) -> Option<u32> {
        self.held.get(key).copied()
    }

    /// The file for which this one waits, as it has the same key.
    pub fn before(&self, at: u32) -> Option<u32> {
        let key = self.places.get(&at)?.key.as_ref()?;
        self.holder(key).filter(|&holder| holder != at)
    }
}

/// The pattern of a watch's lanes, understood.
pub fn pattern(rules: &Rules) -> Result<Option<Regex>, ApiError> {
    let Some(text) = &rules.key else { return Ok(None) };
    Regex::new(text).map(Some).map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
        ApiError::usage(format!("key '{}' can't be understood: {}", escape(text.as_bytes()), escape(why.as_bytes())))
            .hint("write a regular expression for the path below the root, such as '^([^/]+)/' for its first folder")
    })
}

/// The key of a path below the root: what the pattern's first group matches, or else all of it that does. A path that
/// does not match is in no lane.
pub fn key_of(pattern: &Regex, rel: &[u8]) -> Option<Key> {
    let found = pattern.captures(rel)?;
    found.get(1).or_else(|| found.get(0)).map(|part| part.as_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(name: &str) -> Rank {
        Rank { time: 0, name: name.as_bytes().into(), came: 0 }
    }

    fn enter(lanes: &mut Lanes, at: u32, name: &str, lane: &str) {
        lanes.enter(at, rank(name), Some(lane.as_bytes().into()));
    }

    #[test]
    fn files_start_in_order_and_a_lane_waits_for_its_holder() {
        let mut lanes = Lanes::default();
        for (at, name, lane) in [(1, "b", "x"), (2, "a", "x"), (3, "c", "y"), (4, "d", "x")] {
            enter(&mut lanes, at, name, lane);
        }
        assert_eq!(lanes.take(|_| true), Some(2));
        assert_eq!(lanes.take(|_| true), Some(3));
        assert_eq!((lanes.take(|_| true), lanes.before(1), lanes.before(4)), (None, Some(2), Some(2)));
        // It failed and comes again: it has its lane still.
        enter(&mut lanes, 2, "a", "x");
        assert_eq!(lanes.take(|_| true), Some(2));
        lanes.release(2);
        assert_eq!((lanes.take(|_| true), lanes.take(|_| true)), (Some(1), None));
        lanes.release(1);
        assert_eq!(lanes.take(|_| true), Some(4));
    }

    #[test]
    fn one_that_is_gone_or_changed_before_its_turn_holds_up_nobody() {
        let mut lanes = Lanes::default();
        enter(&mut lanes, 1, "a", "x");
        assert_eq!(lanes.take(|_| true), Some(1));
        for (at, name) in [(2, "b"), (3, "c"), (4, "d")] {
            enter(&mut lanes, at, name, "x");
        }
        assert_eq!(lanes.take(|_| true), None);
        lanes.release(1);
        // The next one vanishes, and the one behind it changes.
        lanes.release(2);
        assert_eq!(lanes.take(|at| at != 3), Some(4));
        enter(&mut lanes, 3, "c", "x");
        assert_eq!(lanes.take(|_| true), None);
        lanes.release(4);
        assert_eq!(lanes.take(|_| true), Some(3));
    }

    #[test]
    fn one_that_was_renamed_leaves_the_lane_it_held() {
        let mut lanes = Lanes::default();
        enter(&mut lanes, 1, "a", "x");
        enter(&mut lanes, 2, "b", "y");
        assert_eq!((lanes.take(|_| true), lanes.take(|_| true)), (Some(1), Some(2)));
        // Both are tried again, and have changed places meanwhile.
        enter(&mut lanes, 3, "c", "x");
        enter(&mut lanes, 1, "a", "y");
        enter(&mut lanes, 2, "b", "x");
        let taken = [lanes.take(|_| true), lanes.take(|_| true), lanes.take(|_| true)];
        assert_eq!(taken, [Some(1), Some(2), None]);
        lanes.release(1);
        lanes.release(2);
        assert_eq!(lanes.take(|_| true), Some(3));
    }

    #[test]
    fn a_key_is_the_first_group_or_all_that_matches() {
        let of = |pattern: &str, rel: &str| {
            let key = key_of(&Regex::new(pattern).unwrap(), rel.as_bytes());
            key.map(|key| String::from_utf8(key.into()).unwrap())
        };
        assert_eq!(of("^([^/]+)/", "a/b/c").as_deref(), Some("a"));
        assert_eq!(of(r"\d+", "x12.csv").as_deref(), Some("12"));
        assert_eq!(of(r"^(?:a|(b))", "a").as_deref(), Some("a"));
        assert_eq!(of(r"\d+", "x"), None);
    }
}
