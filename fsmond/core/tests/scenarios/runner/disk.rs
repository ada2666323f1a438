//! A file system in memory that tells of its changes as inotify does: which event, of which name, in which order.
//! It knows nothing of the machine but the numbers by which folders are armed.

use std::collections::{BTreeMap, HashMap, HashSet};

use fsmon_core::io::{Digest, Hint, HintWhat, Name, NameHint, NodeId, Stat, WatchId};
use fsmon_protocol::RawPath;
use fsmon_protocol::fingerprint::{FileType, Fingerprint};

/// File times advance in ticks of this, as most kernels do.
const TICK: i64 = 4_000_000;

struct Inode {
    file_type: FileType,
    entries: BTreeMap<Name, u64>,
    stat: Fingerprint,
    readable: bool,
    /// Whether somebody has it open for writing.
    open: bool,
    /// What is in it, where that is asked.
    text: Vec<u8>,
    /// What is in it beside its size.
    content: String,
}

pub struct Disk {
    inodes: HashMap<u64, Inode>,
    next_inode: u64,
    cookie: u32,
    /// Armed folders by inode.
    armed: HashMap<u64, Vec<(WatchId, NodeId)>>,
    /// How many folders can be armed.
    pub watches: usize,
    /// What was told and not yet read.
    pub queue: Vec<Hint>,
    /// Nothing is told of what happens now.
    pub silent: bool,
    /// Looks before a run tell whether a file is open for writing.
    pub leases: bool,
    /// What a mount hides, by the inode of what is seen instead.
    hidden: HashMap<u64, u64>,
    mounts: HashSet<u64>,
    /// Where something was mounted or unmounted, not yet told.
    pub mounted: Vec<RawPath>,
    /// Nanoseconds since 1970.
    pub wall: i64,
}

type Done = Result<(), String>;

impl Disk {
    pub fn new(wall: i64) -> Self {
        let mut disk = Self {
            inodes: HashMap::new(),
            next_inode: 1,
            cookie: 0,
            armed: HashMap::new(),
            watches: usize::MAX,
            queue: Vec::new(),
            silent: false,
            leases: false,
            hidden: HashMap::new(),
            mounts: HashSet::new(),
            mounted: Vec::new(),
            wall,
        };
        disk.make(FileType::Dir);
        disk
    }

    fn stamp(&self) -> i64 {
        self.wall / TICK * TICK
    }

    fn make(&mut self, file_type: FileType) -> u64 {
        let inode = self.next_inode;
        self.next_inode += 1;
        let now = self.stamp();
        let stat = Fingerprint { inode, size: 0, mtime: now, ctime: now };
        let (entries, content) = (BTreeMap::new(), String::new());
        let text = Vec::new();
        self.inodes.insert(inode, Inode { file_type, entries, stat, readable: true, open: false, text, content });
        inode
    }

    fn tell(&mut self, folder: u64, name: &[u8], how: NameHint, dir: bool) {
        for (watch, id) in self.armed.get(&folder).cloned().unwrap_or_default() {
            self.push(watch, HintWhat::Name { folder: id, name: name.into(), how, dir });
        }
    }

    fn push(&mut self, watch: WatchId, what: HintWhat) {
        if !self.silent {
            self.queue.push(Hint { watch, what });
        }
    }

    // ------------------------------------------------------------------------------------------------------ looking

    pub fn resolve(&self, path: &[u8]) -> Option<u64> {
        let mut at = 1;
        for name in path.split(|&b| b == b'/').filter(|n| !n.is_empty()) {
            at = *self.inodes.get(&at)?.entries.get(name)?;
        }
        Some(at)
    }

    pub fn is_dir(&self, inode: u64) -> bool {
        self.inodes.get(&inode).is_some_and(|i| i.file_type == FileType::Dir)
    }

    pub fn is_mount(&self, inode: u64) -> bool {
        self.mounts.contains(&inode)
    }

    pub fn readable(&self, inode: u64) -> bool {
        self.inodes.get(&inode).is_some_and(|i| i.readable)
    }

    pub fn stat(&self, inode: u64) -> Stat {
        let it = &self.inodes[&inode];
        let written = self.leases.then_some(it.open);
        Stat {
            file_type: it.file_type,
            fingerprint: it.stat,
            btime: 0,
            own: false,
            mount_point: self.is_mount(inode),
            written,
        }
    }

    /// A digest of what is in a file; none where it cannot be read.
    pub fn digest(&self, inode: u64) -> Option<Digest> {
        let it = self.inodes.get(&inode).filter(|it| it.readable)?;
        let mut digest = Digest::default();
        digest[..8].copy_from_slice(&it.stat.size.to_le_bytes());
        digest.iter_mut().skip(16).zip(it.content.bytes()).for_each(|(into, byte)| *into = byte);
        Some(digest)
    }

    /// Sets its times to those of another file: what `touch -r` does.
    pub fn touch_like(&mut self, path: &str, other: &str) -> Done {
        let (_, _, like) = self.there(other)?;
        let (_, _, inode) = self.there(path)?;
        let (now, mtime) = (self.stamp(), self.inodes[&like].stat.mtime);
        let stat = &mut self.inodes.get_mut(&inode).expect("a file").stat;
        (stat.mtime, stat.ctime) = (mtime, now);
        self.told_of(path, NameHint::Attrib)?;
        self.told_of(path, NameHint::Closed)
    }

    pub fn child(&self, folder: u64, name: &[u8]) -> Option<u64> {
        self.inodes.get(&folder)?.entries.get(name).copied()
    }

    pub fn entries(&self, folder: u64) -> Vec<(Name, u64)> {
        self.inodes[&folder].entries.iter().map(|(name, &inode)| (name.clone(), inode)).collect()
    }

    // ------------------------------------------------------------------------------------------------------- arming

    /// Arms a folder; false where the system gives no more watches.
    pub fn arm(&mut self, inode: u64, watch: WatchId, node: NodeId) -> bool {
        let taken: usize = self.armed.values().map(Vec::len).sum();
        let there = self.armed.entry(inode).or_default();
        if let Some(old) = there.iter_mut().find(|(w, _)| *w == watch) {
            old.1 = node;
            return true;
        }
        if taken >= self.watches {
            return false;
        }
        there.push((watch, node));
        true
    }

    pub fn disarm(&mut self, watch: WatchId, node: Option<NodeId>) {
        for there in self.armed.values_mut() {
            there.retain(|&(w, n)| w != watch || node.is_some_and(|node| n != node));
        }
    }

    /// The one who read the events is no more.
    pub fn disarm_all(&mut self) {
        self.armed.clear();
        self.queue.clear();
    }

    fn disarmed(&mut self, inode: u64, unmounted: bool) {
        for (watch, folder) in self.armed.remove(&inode).unwrap_or_default() {
            self.push(watch, HintWhat::Disarmed { folder, unmounted });
        }
    }

    // ----------------------------------------------------------------------------------------------------- changing

    fn place<'a>(&self, path: &'a str) -> Result<(u64, &'a [u8]), String> {
        let (folder, name) = path.rsplit_once('/').ok_or("a path begins with /")?;
        let folder = self.resolve(folder.as_bytes()).filter(|&f| self.is_dir(f));
        Ok((folder.ok_or(format!("{path}: its folder is not there"))?, name.as_bytes()))
    }

    /// The folder, the name in it, and what it names.
    fn there<'a>(&self, path: &'a str) -> Result<(u64, &'a [u8], u64), String> {
        let (folder, name) = self.place(path)?;
        self.child(folder, name).map(|inode| (folder, name, inode)).ok_or(format!("{path} is not there"))
    }

    fn link_in(&mut self, folder: u64, name: &[u8], inode: u64) {
        self.inodes.get_mut(&folder).expect("a folder").entries.insert(name.into(), inode);
    }

    fn unlink(&mut self, folder: u64, name: &[u8]) {
        self.inodes.get_mut(&folder).expect("a folder").entries.remove(name);
    }

    /// A new file (open, so that its close is still to come), folder, link or fifo.
    pub fn create(&mut self, path: &str, file_type: FileType) -> Done {
        let (folder, name) = self.place(path)?;
        if self.child(folder, name).is_some() {
            return Err(format!("{path} is there already"));
        }
        let inode = self.make(file_type);
        self.inodes.get_mut(&inode).expect("it was made").open = file_type == FileType::File;
        self.link_in(folder, name, inode);
        self.tell(folder, name, NameHint::Created, file_type == FileType::Dir);
        Ok(())
    }

    /// `mkdir -p`.
    pub fn mkdirs(&mut self, path: &str) -> Done {
        let ends = path.match_indices('/').map(|(i, _)| i).skip(1).chain([path.len()]);
        for end in ends {
            if self.resolve(&path.as_bytes()[..end]).is_none() {
                self.create(&path[..end], FileType::Dir)?;
            }
        }
        Ok(())
    }

    /// Files of the same size are alike but where `content` says that they are not.
    pub fn write(&mut self, path: &str, size: u64, content: &str) -> Done {
        let (_, _, inode) = self.there(path)?;
        let now = self.stamp();
        let it = self.inodes.get_mut(&inode).expect("a file");
        (it.stat.size, it.stat.mtime, it.stat.ctime, it.open) = (size, now, now, true);
        content.clone_into(&mut it.content);
        self.told_of(path, NameHint::Modified)
    }

    /// Writes the lines of an ignore file, and closes it.
    pub fn rules(&mut self, path: &str, lines: &[&str]) -> Done {
        let text: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
        if self.resolve(path.as_bytes()).is_none() {
            self.create(path, FileType::File)?;
        }
        let (_, _, inode) = self.there(path)?;
        let size = text.len() as u64;
        self.inodes.get_mut(&inode).expect("a file").text = text;
        self.write(path, size, "")?;
        self.close(path)
    }

    /// What is in a file.
    pub fn text(&self, inode: u64) -> &[u8] {
        &self.inodes[&inode].text
    }

    pub fn close(&mut self, path: &str) -> Done {
        let (_, _, inode) = self.there(path)?;
        self.inodes.get_mut(&inode).expect("a file").open = false;
        self.told_of(path, NameHint::Closed)
    }

    /// Opens, sets the time, closes: what `touch` does.
    pub fn touch(&mut self, path: &str) -> Done {
        let (_, _, inode) = self.there(path)?;
        let now = self.stamp();
        let stat = &mut self.inodes.get_mut(&inode).expect("a file").stat;
        (stat.mtime, stat.ctime) = (now, now);
        self.told_of(path, NameHint::Attrib)?;
        self.told_of(path, NameHint::Closed)
    }

    /// Changes the mode; a folder may become unreadable by it, or readable.
    pub fn chmod(&mut self, path: &str, readable: bool) -> Done {
        let (_, _, inode) = self.there(path)?;
        let now = self.stamp();
        let it = self.inodes.get_mut(&inode).expect("it is there");
        (it.stat.ctime, it.readable) = (now, readable);
        self.told_of(path, NameHint::Attrib)
    }

    fn told_of(&mut self, path: &str, how: NameHint) -> Done {
        let (folder, name, inode) = self.there(path)?;
        let dir = self.is_dir(inode);
        self.tell(folder, name, how, dir);
        Ok(())
    }

    /// A second name of a file.
    pub fn link(&mut self, old: &str, new: &str) -> Done {
        let (_, _, inode) = self.there(old)?;
        let (folder, name) = self.place(new)?;
        let now = self.stamp();
        self.inodes.get_mut(&inode).expect("it is there").stat.ctime = now;
        self.link_in(folder, name, inode);
        self.tell(folder, name, NameHint::Created, false);
        Ok(())
    }

    /// `rm -rf`: what is in a folder goes first.
    pub fn remove(&mut self, path: &str) -> Done {
        let (folder, name, inode) = self.there(path)?;
        let dir = self.is_dir(inode);
        for (below, _) in self.entries(inode) {
            self.remove(&format!("{path}/{}", String::from_utf8_lossy(&below)))?;
        }
        self.unlink(folder, name);
        // Other names of the file live on with a new ctime.
        let now = self.stamp();
        self.inodes.get_mut(&inode).expect("it was there").stat.ctime = now;
        self.tell(folder, name, NameHint::Deleted, dir);
        self.disarmed(inode, false);
        Ok(())
    }

    pub fn rename(&mut self, old: &str, new: &str) -> Done {
        let (from, old_name, inode) = self.there(old)?;
        let (to, new_name) = self.place(new)?;
        let dir = self.is_dir(inode);
        let replaced = self.child(to, new_name);
        if replaced.is_some_and(|there| self.is_dir(there) != dir || !self.entries(there).is_empty()) {
            return Err(format!("{new} can't be replaced by {old}"));
        }
        self.cookie += 1;
        let cookie = self.cookie;
        self.unlink(from, old_name);
        self.link_in(to, new_name, inode);
        let now = self.stamp();
        self.inodes.get_mut(&inode).expect("it is there").stat.ctime = now;
        self.tell(from, old_name, NameHint::MovedFrom(cookie), dir);
        self.tell(to, new_name, NameHint::MovedTo(cookie), dir);
        for (watch, node) in self.armed.get(&inode).cloned().unwrap_or_default() {
            if node == NodeId::ROOT {
                self.push(watch, HintWhat::RootMoved);
            }
        }
        if let Some(there) = replaced {
            self.disarmed(there, false);
        }
        Ok(())
    }

    /// An empty file system of its own is mounted here and hides what is there.
    pub fn mount(&mut self, path: &str) -> Done {
        let (folder, name, below) = self.there(path)?;
        let before = self.hidden.iter().find(|&(_, &b)| b == below).map(|(&top, _)| top);
        let top = before.unwrap_or_else(|| self.make(FileType::Dir));
        self.mounts.insert(top);
        self.hidden.insert(top, below);
        self.link_in(folder, name, top);
        self.mounted.push(path.into());
        Ok(())
    }

    /// What was mounted here is taken away; mounting again brings it back.
    pub fn unmount(&mut self, path: &str) -> Done {
        let (folder, name, top) = self.there(path)?;
        let below = *self.hidden.get(&top).ok_or(format!("{path}: nothing is mounted there"))?;
        self.link_in(folder, name, below);
        self.mounted.push(path.into());
        let mut folders = vec![top];
        while let Some(at) = folders.pop() {
            folders.extend(self.entries(at).into_iter().map(|(_, i)| i).filter(|&i| self.is_dir(i)));
            self.disarmed(at, true);
        }
        Ok(())
    }

    /// The kernel's queue was full: what is unread is lost, and so much is told to each watch.
    pub fn overflow(&mut self, watches: &[WatchId]) {
        self.queue.clear();
        for &watch in watches {
            self.push(watch, HintWhat::Overflow);
        }
    }
}
