//! Listings: a folder is armed, then listed; what a listing shows raises suspicions, and what it does not show too.
//!
//! The same for a folder that just appeared and for a reconcile of the whole tree; see `reconcile` for the latter.

use std::collections::HashMap;

use fsmon_protocol::event::{EventKind, GapReason};
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::spec::Existing;

use super::suspects::When;
use super::tell::Learnt;
use super::{Handle, Watch};
use crate::ident::dir_ident;
use crate::io::{Armed, Effect, FolderProblem, ListPart, ListRequest, Listing, LogLevel, NodeId, Stat};
use crate::judge::{Told, Verdict};
use crate::shared::Ctx;
use crate::tree::{Flags, ROOT};

/// At most so many listings under way at once per watch: enough to keep its workers busy.
const IN_FLIGHT: usize = 512;

/// One listing, asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    folder: Handle,
    /// Whether known folders in it are listed too.
    deep: bool,
    /// Whether it is part of the reconcile under way.
    scan: bool,
    /// How many folders had been renamed when it was sent: its path may be an old one.
    moves: u64,
}

/// The listings of one watch.
#[derive(Debug, Default)]
pub(super) struct Listings {
    waiting: std::collections::VecDeque<Asked>,
    sent: HashMap<u32, Asked>,
    of_scan: usize,
    moves: u64,
}

impl Listings {
    /// Whether any part of a reconcile is still to come.
    pub fn scanning(&self) -> bool {
        self.of_scan > 0
    }

    /// Folders known and not yet read.
    pub fn left(&self) -> u64 {
        (self.waiting.len() + self.sent.len()) as u64
    }

    /// Forgets listings of a folder that is gone, and whose place is still in use.
    pub fn forget(&mut self, folder: NodeId) {
        for asked in self.sent.values_mut().chain(&mut self.waiting).filter(|asked| asked.folder == folder) {
            asked.folder.generation = asked.folder.generation.wrapping_sub(1);
        }
    }

    /// Whether a listing of this folder is asked for.
    pub fn awaits(&self, folder: NodeId) -> bool {
        self.sent.values().chain(&self.waiting).any(|asked| asked.folder == folder)
    }

    /// A folder was renamed.
    pub fn moved(&mut self) {
        self.moves += 1;
    }

    /// A listing is to go on into the folders that are known.
    fn deepen(&mut self, tag: u32) {
        self.sent.entry(tag).and_modify(|asked| asked.deep = true);
    }

    /// Forgets all of them: the source was closed.
    pub fn clear(&mut self) {
        *self = Self { moves: self.moves, ..Self::default() };
    }
}

impl Watch {
    /// Asks for a folder to be armed and listed.
    pub(super) fn list_folder(&mut self, at: u32, deep: bool, scan: bool, ctx: &mut Ctx<'_>) {
        self.listings.of_scan += usize::from(scan);
        self.tree.node_mut(at).set(Flags::LISTING);
        self.tree.node_mut(at).clear(Flags::UNLISTED);
        self.listings.waiting.push_back(Asked { folder: self.tree.id(at), deep, scan, moves: 0 });
        self.send_listings(ctx);
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn send_listings(&mut self, ctx: &mut Ctx<'_>) {
        if !self.acts() {
            return;
        }
        while self.listings.sent.len() < IN_FLIGHT
            && let Some(asked) = self.listings.waiting.pop_front()
        {
            let Some(at) = self.tree.place(asked.folder) else {
                self.listings.of_scan -= usize::from(asked.scan);
                continue;
            };
            let tag = ctx.shared.tag();
            self.listings.sent.insert(tag, Asked { moves: self.listings.moves, ..asked });
            self.asked.sent(ctx.now.mono);
            ctx.out.push(Effect::List(ListRequest {
                watch: self.id,
                folder: asked.folder,
                path: self.tree.path(at).into(),
                inode: self.tree.inode(at),
                arm: self.arms(),
                ignores: self.ask_ignores(at),
                scan: tag,
            }));
        }
    }

    /// Takes a part of a listing.
    pub fn on_listed(&mut self, listing: Listing, ctx: &mut Ctx<'_>) {
        let done = listing.part.is_last();
        self.asked.came(ctx.now.mono, done);
        let Some(&asked) = self.listings.sent.get(&listing.scan) else { return };
        if done {
            self.listings.sent.remove(&listing.scan);
            self.listings.of_scan -= usize::from(asked.scan);
        }
        let Some(folder) = self.tree.place(asked.folder) else { return };
        if done {
            self.tree.node_mut(folder).clear(Flags::LISTING);
        }
        if self.tree.moving(folder) {
            // It will be listed where it arrives.
            return;
        }
        match listing.part {
            ListPart::Ignores(read) => {
                if self.on_ignores_read(folder, read, ctx) {
                    // What is let in from now on may be at any depth.
                    self.listings.deepen(listing.scan);
                }
            }
            ListPart::Entries(entries) => {
                self.tell_listed(folder, None, ctx);
                let files = entries.iter().filter(|(_, stat)| stat.file_type != FileType::Dir).count();
                self.note_progress(&asked, files, 0);
                for (name, stat) in entries {
                    self.on_entry(folder, &name, stat, asked, listing.scan, ctx);
                }
            }
            ListPart::Done { armed, inode } => {
                self.note_progress(&asked, 0, 1);
                self.tell_listed(folder, Some(inode), ctx);
                self.note_armed(folder, armed, ctx);
                self.note_readable(folder, ctx);
                self.on_missing(folder, listing.scan, asked, ctx);
                let node = self.tree.node(folder);
                if node.has(Flags::KNOWN) && node.ident != dir_ident(inode) && folder != ROOT {
                    self.suspect(folder, Told::SOMETHING, When::Now, ctx);
                }
            }
            ListPart::Failed(problem) => self.on_list_failed(folder, &problem, asked, ctx),
        }
    }

    fn note_progress(&mut self, asked: &Asked, looked: usize, folders: u64) {
        if let Some(scan) = self.scan.as_mut().filter(|_| asked.scan) {
            scan.looked += looked as u64;
            scan.folders += folders;
        }
    }

    /// A folder was listed, so it is there; one that a scan found new is told when the scan is complete.
    fn tell_listed(&mut self, at: u32, inode: Option<u64>, ctx: &mut Ctx<'_>) {
        if !self.tree.node(at).has(Flags::DEFERRED) {
            self.tell_folder(at, inode, ctx);
        }
    }

    /// A folder that was listed is there: if it is new, its create is told, before that of anything in it.
    pub(super) fn tell_folder(&mut self, at: u32, inode: Option<u64>, ctx: &mut Ctx<'_>) {
        let node = self.tree.node(at);
        if !node.has(Flags::KNOWN) && node.is_dir() {
            // A scan may have seen it already: without its inode a look by an old path would take another folder for it.
            let inode = inode.or_else(|| (node.ident > 1).then_some(node.ident));
            self.tree.node_mut(at).clear(Flags::DEFERRED);
            let fingerprint = Fingerprint { inode: inode.unwrap_or(0), size: 0, mtime: 0, ctime: 0 };
            let stat = Stat::told(FileType::Dir, fingerprint);
            self.tell_create(at, stat, Learnt::LIVE, ctx);
            self.tree.node_mut(at).ident = inode.map_or(0, dir_ident);
        } else if let Some(inode) = inode.filter(|_| node.ident == 0) {
            self.tree.node_mut(at).ident = dir_ident(inode);
            self.ledger.dirty(&mut self.tree, at, None);
        }
    }

    fn on_entry(&mut self, folder: u32, name: &[u8], stat: Stat, asked: Asked, tag: u32, ctx: &mut Ctx<'_>) {
        let dir = stat.file_type == FileType::Dir;
        if stat.own || !self.wanted(folder, name, dir) {
            return;
        }
        self.name_reused(folder, name, ctx);
        let told = if asked.scan { Told::SCAN } else { Told::FOUND };
        let Some(at) = self.tree.lookup(folder, name) else {
            let at = self.tree.insert(folder, name, stat.file_type);
            self.tree.node_mut(at).mark = tag;
            self.on_new_entry(at, stat, told, asked, ctx);
            return;
        };
        let node = self.tree.node_mut(at);
        if !node.has(Flags::HIDDEN) {
            node.mark = tag;
        }
        if asked.scan && !dir {
            self.note_recent_file(at, &stat);
        }
        let node = self.tree.node_mut(at);
        if node.has(Flags::SUSPECT) {
            // A look is due anyhow; the reconcile waits for it, and a folder is listed when it has confirmed it.
            if dir {
                node.set(Flags::UNLISTED);
            }
            if asked.scan {
                self.suspect(at, told, When::Now, ctx);
            }
            return;
        }
        let known = node.has(Flags::KNOWN);
        let same_folder = known
            && dir
            && node.is_dir()
            && !node.has(Flags::HIDDEN)
            && node.has(Flags::MOUNT) == stat.mount_point
            && [0, dir_ident(stat.fingerprint.inode)].contains(&node.ident);
        if same_folder {
            if asked.deep {
                self.list_folder(at, true, asked.scan, ctx);
            }
            return;
        }
        let facts = super::looks::facts_of(&stat);
        let same =
            known && !dir && !node.has(Flags::HIDDEN) && node.file_type == stat.file_type && node.ident == facts.ident;
        if !(same && node.ctime == facts.ctime) {
            if dir {
                self.tree.node_mut(at).set(Flags::UNLISTED);
            }
            self.suspect(at, told, When::Now, ctx);
        }
    }

    /// Nothing is known of this name.
    fn on_new_entry(&mut self, at: u32, stat: Stat, told: Told, asked: Asked, ctx: &mut Ctx<'_>) {
        let dir = stat.file_type == FileType::Dir;
        let first_seen = (asked.scan && !self.baseline_done) || self.was_ignored(at, dir);
        let ctime = stat.fingerprint.ctime;
        let there_before = first_seen && ctime < self.added.0 && !self.was_let_in(at, dir, ctime);
        if there_before {
            self.note_present(at, &stat);
            if dir {
                self.list_folder(at, true, asked.scan, ctx);
            } else if self.rules.existing == Existing::Run {
                self.now_pending(at, EventKind::Create, None, Learnt::SCANNED, &stat, ctx);
            }
        } else if dir && told == Told::SCAN && self.defer(at, Verdict::Create, Some(stat), ctx) {
            self.list_deferred(at, &stat, ctx);
        } else if dir {
            // Its own listing confirms it.
            self.tell_create(at, stat, Learnt::by(told), ctx);
            self.list_folder(at, true, asked.scan, ctx);
        } else {
            self.suspect(at, told, When::Now, ctx);
        }
    }

    /// A folder that a scan found new is listed at once, which confirms it; perhaps it is a known one that was renamed.
    pub(super) fn list_deferred(&mut self, at: u32, stat: &Stat, ctx: &mut Ctx<'_>) {
        if !self.tree.node(at).is_dir() {
            if !self.folder_wanted(at) {
                // Its name was let in as a file's.
                self.tree.node_mut(at).clear(Flags::DEFERRED);
                self.release_if_idle(at);
                return;
            }
            self.tree.set_type(at, FileType::Dir);
        }
        self.tree.node_mut(at).ident = dir_ident(stat.fingerprint.inode);
        self.list_folder(at, true, true, ctx);
    }

    /// What the whole listing did not show is perhaps gone.
    fn on_missing(&mut self, folder: u32, tag: u32, asked: Asked, ctx: &mut Ctx<'_>) {
        let told = if asked.scan { Told::SCAN } else { Told::FOUND };
        let missing: Vec<u32> = self
            .tree
            .children(folder)
            .filter(|&at| {
                let node = self.tree.node(at);
                let seen = node.has(Flags::KNOWN) && !node.has(Flags::HIDDEN);
                node.mark != tag && seen && !node.has(Flags::MOVING)
            })
            .collect();
        for at in missing {
            self.suspect(at, told, When::Now, ctx);
        }
        // What moved with its folder before it was known, and is not there, is nothing.
        let idle: Vec<u32> = self.tree.children(folder).filter(|&at| self.tree.node(at).mark != tag).collect();
        for at in idle {
            self.release_if_idle(at);
        }
    }

    fn note_armed(&mut self, at: u32, armed: Armed, ctx: &mut Ctx<'_>) {
        match armed {
            Armed::Yes => {
                let node = self.tree.node_mut(at);
                if !node.has(Flags::ARMED) {
                    node.set(Flags::ARMED);
                    self.armed += 1;
                }
            }
            Armed::NotAsked => {}
            Armed::NoMoreWatches => {
                let cure = "the system gives no more watches: raise it with `sysctl fs.inotify.max_user_watches=…`";
                self.limited(cure.to_owned(), ctx);
            }
            Armed::Failed(why) => self.limited(format!("a folder could not be armed: {why}"), ctx),
        }
    }

    /// Part of the tree has no watches: it is scanned every poll interval instead, and that is said.
    pub(super) fn limited(&mut self, why: String, ctx: &mut Ctx<'_>) {
        if let Some(gap) = self.gaps.iter_mut().find(|gap| gap.reason == GapReason::Limit) {
            // Said before: it stays open until a reconcile can arm everything.
            gap.closing = false;
        } else {
            let line =
                format!("watch {}: {why}; what has no watch is scanned every {}", self.name, self.rules.poll_interval);
            self.note(fsmon_protocol::event::WatchChangeStatus::Degraded, Some(line), ctx);
            self.open_gap(GapReason::Limit, self.root_path.clone(), ctx);
        }
        self.limit = Some(why);
        self.clocks.reset_rescan(&self.rules, self.backend(), true, ctx.now);
    }

    fn on_list_failed(&mut self, at: u32, problem: &FolderProblem, asked: Asked, ctx: &mut Ctx<'_>) {
        let known = self.tree.node(at).has(Flags::KNOWN);
        match problem {
            FolderProblem::Gone if at != ROOT && asked.moves != self.listings.moves => {
                // Asked for by a path that may have been renamed since.
                self.list_folder(at, asked.deep, asked.scan, ctx);
            }
            FolderProblem::Gone if at == ROOT => self.lose_root("it is not there", GapReason::RootGone, ctx),
            // Where the name is suspected, something came to it since the listing was asked for: the look decides.
            FolderProblem::Gone if known || self.tree.node(at).has(Flags::SUSPECT) => {
                let told = if asked.scan { Told::SCAN } else { Told::FOUND };
                self.tree.node_mut(at).set(Flags::UNLISTED);
                self.suspect(at, told, When::Now, ctx);
            }
            FolderProblem::Gone => {
                self.transient += 1;
                self.tell_gone(at, Learnt::LIVE, ctx);
            }
            FolderProblem::PseudoFileSystem => {
                self.tell_folder(at, None, ctx);
                ctx.log(
                    LogLevel::Info,
                    format!("watch {}: {} is not entered: a pseudo file system", self.name, self.absolute(at)),
                );
            }
            FolderProblem::NotPermitted => {
                self.tell_folder(at, None, ctx);
                self.note_unreadable(at, problem, ctx);
            }
            FolderProblem::Other(why) => {
                // Not for ever, as far as anybody knows: out of descriptors, say. It is tried again soon.
                self.tell_folder(at, None, ctx);
                self.note_unreadable(at, problem, ctx);
                self.limited(format!("a folder could not be read: {why}"), ctx);
            }
        }
    }
}
