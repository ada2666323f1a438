//! Which descriptor stands for which folders. Only bookkeeping: no system call, no waiting.
//!
//! The kernel gives one descriptor per inode and instance, so that one may stand for several folders: the same folder
//! by two paths, or in two watches. Numbers of descriptors are not used again until two thousand million others were,
//! so that a descriptor that is not in the map is an old one, and its events are stale.

use std::collections::HashMap;

use fsmon_core::io::{NodeId, WatchId};

use super::super::source::Key;

/// The map of one instance. Sized for trees of 100,000 folders: about 45 bytes each.
#[derive(Debug, Default)]
pub struct Map {
    /// Folders that are armed.
    places: HashMap<Key, i32>,
    /// The first folder of each descriptor.
    first: HashMap<i32, Key>,
    /// More of them, for the few descriptors that have any.
    more: HashMap<i32, Vec<Key>>,
    /// Requests on their way, with their latest ticket.
    wanted: HashMap<Key, u64>,
    tickets: u64,
    /// Descriptors that stand for nothing any more and are to be given back.
    unused: Vec<i32>,
    watches: Vec<WatchId>,
}

impl Map {
    /// Adds a watch.
    pub fn join(&mut self, watch: WatchId) {
        self.watches.push(watch);
    }

    /// The watches.
    pub fn watches(&self) -> &[WatchId] {
        &self.watches
    }

    /// See [`Source::want`](super::super::source::Source::want).
    pub fn want(&mut self, key: Key) -> u64 {
        self.tickets += 1;
        self.wanted.insert(key, self.tickets);
        self.tickets
    }

    /// See [`Source::done`](super::super::source::Source::done).
    pub fn done(&mut self, key: Key, ticket: u64) {
        if self.wanted.get(&key) == Some(&ticket) {
            self.wanted.remove(&key);
        }
    }

    /// Whether arming this folder is still wanted.
    pub fn is_wanted(&self, key: Key) -> bool {
        self.wanted.contains_key(&key) || self.places.contains_key(&key)
    }

    /// The kernel gave this descriptor for this folder. False: it is not wanted any more.
    pub fn install(&mut self, key: Key, wd: i32) -> bool {
        if !self.is_wanted(key) {
            if !self.first.contains_key(&wd) {
                self.unused.push(wd);
            }
            return false;
        }
        match self.places.insert(key, wd) {
            Some(old) if old == wd => return true,
            Some(old) => self.release(key, old),
            None => {}
        }
        if *self.first.entry(wd).or_insert(key) != key {
            self.more.entry(wd).or_default().push(key);
        }
        true
    }

    /// Nothing of this folder is wanted any more.
    pub fn disarm(&mut self, key: Key) {
        self.wanted.remove(&key);
        if let Some(wd) = self.places.remove(&key) {
            self.release(key, wd);
        }
    }

    /// Takes a folder off a descriptor.
    fn release(&mut self, key: Key, wd: i32) {
        if self.first.get(&wd) != Some(&key) {
            if let Some(keys) = self.more.get_mut(&wd) {
                keys.retain(|other| *other != key);
                if keys.is_empty() {
                    self.more.remove(&wd);
                }
            }
            return;
        }
        if let Some(next) = self.more.get_mut(&wd).and_then(Vec::pop) {
            self.first.insert(wd, next);
            if self.more.get(&wd).is_some_and(Vec::is_empty) {
                self.more.remove(&wd);
            }
        } else {
            self.first.remove(&wd);
            self.unused.push(wd);
        }
    }

    /// The folders that a descriptor stands for.
    pub fn users(&self, wd: i32) -> impl Iterator<Item = Key> {
        self.first.get(&wd).into_iter().chain(self.more.get(&wd).into_iter().flatten()).copied()
    }

    /// Whether a descriptor stands for any folder.
    pub fn is_used(&self, wd: i32) -> bool {
        self.first.contains_key(&wd)
    }

    /// The kernel has let go of a descriptor: its folders, which are not armed any more.
    pub fn forget(&mut self, wd: i32) -> Vec<Key> {
        let mut keys: Vec<Key> = self.first.remove(&wd).into_iter().collect();
        keys.extend(self.more.remove(&wd).unwrap_or_default());
        for key in &keys {
            self.places.remove(key);
        }
        keys
    }

    /// Takes one descriptor that may be given back.
    pub fn take_unused(&mut self) -> Option<i32> {
        let wd = self.unused.pop();
        if self.unused.is_empty() {
            self.unused = Vec::new();
        }
        wd
    }

    /// Removes a watch with all its folders. Returns whether none is left; then nothing needs to be given back, since
    /// closing the instance does that at once.
    pub fn close(&mut self, watch: WatchId) -> bool {
        self.watches.retain(|other| *other != watch);
        if self.watches.is_empty() {
            *self = Self::default();
            return true;
        }
        self.wanted.retain(|key, _| key.0 != watch);
        let keys: Vec<Key> = self.places.keys().filter(|key| key.0 == watch).copied().collect();
        for key in keys {
            self.disarm(key);
        }
        false
    }

    /// How many folders are armed.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.places.len()
    }
}

/// Whether this is the root of its watch.
pub fn is_root(key: Key) -> bool {
    key.1 == NodeId::ROOT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(watch: u32, index: u32) -> Key {
        (WatchId(watch), NodeId { index, generation: 0 })
    }

    fn users(map: &Map, wd: i32) -> Vec<Key> {
        let mut keys: Vec<Key> = map.users(wd).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn a_shared_descriptor_goes_with_its_last_user() {
        let mut map = Map::default();
        map.join(WatchId(1));
        map.join(WatchId(2));
        for k in [key(1, 5), key(2, 0), key(2, 7)] {
            map.want(k);
            assert!(map.install(k, 9));
        }
        assert_eq!(users(&map, 9), [key(1, 5), key(2, 0), key(2, 7)]);
        map.disarm(key(1, 5));
        assert_eq!((users(&map, 9), map.take_unused()), (vec![key(2, 0), key(2, 7)], None));
        assert!(!map.close(WatchId(2)));
        assert_eq!((users(&map, 9), map.take_unused(), map.take_unused()), (vec![], Some(9), None));
        assert!(map.close(WatchId(1)));
    }

    #[test]
    fn arming_again_moves_a_folder_to_its_new_descriptor() {
        let mut map = Map::default();
        map.join(WatchId(1));
        let ticket = map.want(key(1, 0));
        assert!(map.install(key(1, 0), 1) && map.install(key(1, 0), 1) && map.install(key(1, 0), 2));
        map.done(key(1, 0), ticket);
        assert_eq!((users(&map, 1), users(&map, 2), map.take_unused()), (vec![], vec![key(1, 0)], Some(1)));
        assert!(map.forget(1).is_empty(), "the end of the old descriptor says nothing about the folder");
        assert_eq!(map.forget(2), [key(1, 0)]);
        assert_eq!(map.len(), 0);
    }

    #[test]
    fn what_was_disarmed_meanwhile_is_not_armed() {
        let mut map = Map::default();
        map.join(WatchId(1));
        let ticket = map.want(key(1, 3));
        map.disarm(key(1, 3));
        assert!(!map.install(key(1, 3), 4));
        assert_eq!(map.take_unused(), Some(4));
        map.done(key(1, 3), ticket);
        let first = map.want(key(1, 3));
        map.want(key(1, 3));
        map.done(key(1, 3), first);
        assert!(map.install(key(1, 3), 5), "a later request still wants it");
    }
}
