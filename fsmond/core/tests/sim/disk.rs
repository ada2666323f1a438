//! A file system in memory with the events that inotify would tell of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use fsmon_core::ignores::{self, IgnoreFile};
use fsmon_core::io::{HintWhat, IgnoreRead, ListPart, Name, NameHint, NodeId, Stat};
use fsmon_protocol::fingerprint::{FileType, Fingerprint};

/// The kernel's queue holds so many events.
const QUEUE: usize = 60;

pub struct Inode {
    pub dir: Option<BTreeMap<Name, u64>>,
    pub stat: Fingerprint,
    /// Which content it has: another one with every write, but for those that bring one back.
    pub version: u64,
    /// The one before.
    pub before: u64,
    pub open: bool,
}

pub struct Disk {
    pub inodes: HashMap<u64, Inode>,
    next_inode: u64,
    next_version: u64,
    cookie: u32,
    /// Armed folders: inode to the daemon's id.
    pub armed: HashMap<u64, NodeId>,
    pub queue: VecDeque<HintWhat>,
    pub overflowed: bool,
    /// The folder at the root's path: another one while the root is replaced.
    pub root: u64,
    /// The true root, while it is moved away.
    pub away: bool,
    /// Every path that was ever taken away from where it was.
    pub taken: BTreeSet<Vec<u8>>,
    /// Nanoseconds; file times advance in ticks of this.
    pub wall: i64,
}

/// What an ignore file may say.
const RULES: [&str; 6] = ["", "a\n", "b/\n", "!a\n!b/\n", "*\n!c\n!.gitignore\n", "/d\n/a/b\n"];
/// The inode of the root that the watch was made for.
pub const ROOT: u64 = 1;
const TICK: i64 = 4_000_000;

impl Disk {
    pub fn new(wall: i64) -> Self {
        let mut disk = Self {
            inodes: HashMap::new(),
            next_inode: 1,
            next_version: 1,
            cookie: 0,
            armed: HashMap::new(),
            queue: VecDeque::new(),
            overflowed: false,
            root: ROOT,
            away: false,
            taken: BTreeSet::new(),
            wall,
        };
        disk.make(true);
        disk
    }

    fn stamp(&self) -> i64 {
        self.wall / TICK * TICK
    }

    fn make(&mut self, dir: bool) -> u64 {
        let inode = self.next_inode;
        self.next_inode += 1;
        self.next_version += 1;
        let now = self.stamp();
        let stat = Fingerprint { inode, size: 0, mtime: now, ctime: now };
        self.inodes.insert(
            inode,
            Inode {
                dir: dir.then(BTreeMap::new),
                stat,
                version: self.next_version,
                before: self.next_version,
                open: false,
            },
        );
        inode
    }

    fn tell(&mut self, folder: u64, name: &[u8], how: NameHint, dir: bool) {
        let Some(&id) = self.armed.get(&folder) else { return };
        if self.queue.len() >= QUEUE {
            self.overflowed = true;
            return;
        }
        self.queue.push_back(HintWhat::Name { folder: id, name: name.into(), how, dir });
    }

    pub fn entries(&self, folder: u64) -> Vec<(Name, u64)> {
        let dir = self.inodes.get(&folder).and_then(|i| i.dir.as_ref());
        dir.map(|d| d.iter().map(|(n, &i)| (n.clone(), i)).collect()).unwrap_or_default()
    }

    pub fn child(&self, folder: u64, name: &[u8]) -> Option<u64> {
        self.inodes.get(&folder)?.dir.as_ref()?.get(name).copied()
    }

    pub fn is_dir(&self, inode: u64) -> bool {
        self.inodes.get(&inode).is_some_and(|i| i.dir.is_some())
    }

    pub fn stat(&self, inode: u64) -> Stat {
        let file_type = if self.is_dir(inode) { FileType::Dir } else { FileType::File };
        Stat::told(file_type, self.inodes[&inode].stat)
    }

    /// The ignore file of a folder: what is in it goes by its version.
    pub fn ignores(&self, folder: u64) -> Option<IgnoreFile> {
        let inode = self.child(folder, ignores::NAME).filter(|&inode| !self.is_dir(inode))?;
        let version = usize::try_from(self.inodes[&inode].version).unwrap();
        Some(IgnoreFile::new(RULES[version % RULES.len()].as_bytes()).unwrap())
    }

    /// The same as a part of the folder's listing.
    pub fn listed_ignores(&self, folder: u64) -> ListPart {
        ListPart::Ignores(self.ignores(folder).map_or(IgnoreRead::Missing, |file| IgnoreRead::Read(Arc::new(file))))
    }

    /// Every path that no ignore file ignores, with its inode.
    pub fn heeded(&self) -> BTreeMap<Vec<u8>, u64> {
        let mut all = self.paths();
        let mut ignored = BTreeSet::new();
        for (path, &inode) in &all {
            let slashes = path.iter().enumerate().rev().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
            let above: Vec<_> = slashes.map(|at| (at + 1, &path[..at])).chain([(0, &path[..0])]).collect();
            let out = above.iter().any(|(_, folder)| ignored.contains(*folder));
            let files = above.iter().filter_map(|(from, at)| Some((*from, self.ignores(self.resolve(at)?)?)));
            let said = files.into_iter().find_map(|(from, file)| file.ignores(&path[from..], self.is_dir(inode)));
            if out || said == Some(true) {
                ignored.insert(path.clone());
            }
        }
        all.retain(|path, _| !ignored.contains(path));
        all
    }

    /// All folders reachable from the root.
    pub fn folders(&self) -> Vec<u64> {
        let mut all = vec![self.root];
        let mut next = 0;
        while next < all.len() {
            let below: Vec<u64> =
                self.entries(all[next]).into_iter().map(|(_, i)| i).filter(|&i| self.is_dir(i)).collect();
            all.extend(below);
            next += 1;
        }
        all
    }

    /// Every path with its inode.
    pub fn paths(&self) -> BTreeMap<Vec<u8>, u64> {
        let mut all = BTreeMap::new();
        let mut todo = vec![(Vec::new(), self.root)];
        while let Some((path, folder)) = todo.pop() {
            for (name, inode) in self.entries(folder) {
                let mut below = path.clone();
                if !below.is_empty() {
                    below.push(b'/');
                }
                below.extend_from_slice(&name);
                if self.is_dir(inode) {
                    todo.push((below.clone(), inode));
                }
                all.insert(below, inode);
            }
        }
        all
    }

    pub fn resolve(&self, path: &[u8]) -> Option<u64> {
        if self.away {
            return None;
        }
        let mut at = self.root;
        for name in path.split(|&b| b == b'/').filter(|n| !n.is_empty()) {
            at = self.child(at, name)?;
        }
        Some(at)
    }

    pub fn mkdir(&mut self, folder: u64, name: &[u8]) {
        let inode = self.make(true);
        self.link(folder, name, inode);
        self.tell(folder, name, NameHint::Created, true);
    }

    fn link(&mut self, folder: u64, name: &[u8], inode: u64) {
        let dir = self.inodes.get_mut(&folder).and_then(|i| i.dir.as_mut()).unwrap();
        dir.insert(name.into(), inode);
    }

    pub fn create(&mut self, folder: u64, name: &[u8], close: bool) {
        let inode = self.make(false);
        self.link(folder, name, inode);
        self.tell(folder, name, NameHint::Created, false);
        self.write(folder, name, close);
    }

    /// Writes to a file and closes it, or leaves it open.
    pub fn write(&mut self, folder: u64, name: &[u8], close: bool) {
        self.next_version += 1;
        self.write_content(folder, name, self.next_version, close);
    }

    /// The same with a content that may have been there before.
    pub fn write_content(&mut self, folder: u64, name: &[u8], version: u64, close: bool) {
        let inode = self.child(folder, name).unwrap();
        let now = self.stamp();
        let file = self.inodes.get_mut(&inode).unwrap();
        (file.before, file.version) = (file.version, version);
        file.open = !close;
        (file.stat.mtime, file.stat.ctime) = (now, now);
        self.tell(folder, name, NameHint::Modified, false);
        if close {
            self.tell(folder, name, NameHint::Closed, false);
        }
    }

    /// Sets its times to now.
    pub fn touch(&mut self, folder: u64, name: &[u8]) {
        let (inode, now) = (self.child(folder, name).unwrap(), self.stamp());
        let file = self.inodes.get_mut(&inode).unwrap();
        (file.stat.mtime, file.stat.ctime) = (now, now);
        self.tell(folder, name, NameHint::Attrib, false);
        self.tell(folder, name, NameHint::Closed, false);
    }

    pub fn close(&mut self, folder: u64, name: &[u8]) {
        let inode = self.child(folder, name).unwrap();
        self.inodes.get_mut(&inode).unwrap().open = false;
        self.tell(folder, name, NameHint::Closed, false);
    }

    /// Notes what is about to be no more where it is.
    fn take(&mut self, top: u64) {
        let paths = self.paths();
        let taken =
            paths.iter().filter(|&(_, &inode)| inode == top || self.below(top, inode)).map(|(path, _)| path.clone());
        let taken: Vec<_> = taken.collect();
        self.taken.extend(taken);
    }

    pub fn remove(&mut self, folder: u64, name: &[u8]) {
        self.take(self.child(folder, name).unwrap());
        let inode = self.child(folder, name).unwrap();
        let dir = self.is_dir(inode);
        if dir {
            for (below, _) in self.entries(inode) {
                self.remove(inode, &below);
            }
            if let Some(id) = self.armed.remove(&inode) {
                self.queue.push_back(HintWhat::Disarmed { folder: id, unmounted: false });
            }
        }
        self.inodes.get_mut(&folder).and_then(|i| i.dir.as_mut()).unwrap().remove(name);
        self.tell(folder, name, NameHint::Deleted, dir);
        self.inodes.remove(&inode);
    }

    fn below(&self, top: u64, inode: u64) -> bool {
        top == inode
            || self.entries(top).into_iter().any(|(_, i)| i == inode || (self.is_dir(i) && self.below(i, inode)))
    }

    /// Renames within the tree; an empty folder or a file may be replaced by its like.
    pub fn rename(&mut self, from: u64, name: &[u8], to: u64, new: &[u8]) {
        let inode = self.child(from, name).unwrap();
        let dir = self.is_dir(inode);
        if (dir && self.below(inode, to)) || (from == to && name == new) {
            return;
        }
        self.take(inode);
        if let Some(there) = self.child(to, new) {
            if self.is_dir(there) != dir || !self.entries(there).is_empty() || there == inode {
                return;
            }
            self.take(there);
            self.inodes.remove(&there);
            if let Some(id) = self.armed.remove(&there) {
                self.queue.push_back(HintWhat::Disarmed { folder: id, unmounted: false });
            }
        }
        self.cookie += 1;
        let cookie = self.cookie;
        self.inodes.get_mut(&from).and_then(|i| i.dir.as_mut()).unwrap().remove(name);
        self.tell(from, name, NameHint::MovedFrom(cookie), dir);
        self.link(to, new, inode);
        let now = self.stamp();
        self.inodes.get_mut(&inode).unwrap().stat.ctime = now;
        self.tell(to, new, NameHint::MovedTo(cookie), dir);
    }

    /// Moves something out of sight, and what was there is gone for good.
    pub fn move_out(&mut self, folder: u64, name: &[u8]) {
        self.take(self.child(folder, name).unwrap());
        self.cookie += 1;
        let inode = self.child(folder, name).unwrap();
        let dir = self.is_dir(inode);
        self.inodes.get_mut(&folder).and_then(|i| i.dir.as_mut()).unwrap().remove(name);
        self.tell(folder, name, NameHint::MovedFrom(self.cookie), dir);
    }

    /// Events are lost: the queue was full.
    pub fn lose_events(&mut self) {
        self.queue.clear();
        self.overflowed = true;
    }

    /// The root is moved out of sight; its events go on until somebody stops listening.
    pub fn move_root(&mut self) {
        // Whoever resumes a watch that is held takes them for deleted.
        let there: Vec<_> = self.paths().into_keys().collect();
        self.taken.extend(there);
        self.away = true;
        if self.armed.contains_key(&self.root) {
            self.queue.push_back(HintWhat::RootMoved);
        }
    }

    /// The root is back, or an empty one is there in its place.
    pub fn put_root(&mut self, true_one: bool) {
        self.root = if true_one { ROOT } else { self.make(true) };
        self.away = false;
    }

    /// Moves a whole tree in.
    pub fn move_in(&mut self, folder: u64, name: &[u8]) {
        self.cookie += 1;
        let top = self.make(true);
        let below = self.make(true);
        self.link(top, b"in", below);
        for at in [top, below] {
            let file = self.make(false);
            self.link(at, b"f", file);
        }
        self.link(folder, name, top);
        self.tell(folder, name, NameHint::MovedTo(self.cookie), true);
    }
}
