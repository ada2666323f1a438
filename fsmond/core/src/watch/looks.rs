//! Looks: sent for what is due, and concluded by the merge table when their answers come.

use fsmon_protocol::fingerprint::FileType;

use super::Watch;
use super::pending::Stage;
use super::suspects::When;
use super::tell::Learnt;
use crate::ident::{ctime_hash, ident_of};
use crate::io::{Effect, FolderProblem, LogLevel, LookRequest, Looked, Name, Seen, Stat};
use crate::judge::{Facts, Told, Verdict, judge};
use crate::shared::Ctx;
use crate::tree::{Flags, ROOT};

/// At most so many names in one look, so that no answer is large.
const NAMES_PER_LOOK: usize = 1024;

impl Watch {
    /// Sends looks for everything that is due, one request per folder.
    pub(super) fn send_looks(&mut self, ctx: &mut Ctx<'_>) {
        if !self.acts() {
            return;
        }
        let mut due = self.suspects.take_due(ctx.now.mono, self.asked.stuck(ctx.now.mono));
        if !self.limbo.is_empty() {
            // What is on its way to a place not yet known is looked at when it has arrived.
            let (away, here): (Vec<u32>, Vec<u32>) = due.into_iter().partition(|&at| self.tree.moving(at));
            for at in away {
                self.suspects.schedule(at, When::Soon, ctx.now.mono);
            }
            due = here;
        }
        let mut due: Vec<(u32, bool, u32)> = due.into_iter().map(|at| self.kind_of_look(at)).collect();
        due.sort_by_key(|&(folder, check, _)| (folder, check));
        for same in due.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (folder, check, _) = same[0];
            for some in same.chunks(NAMES_PER_LOOK) {
                let tag = ctx.shared.tag();
                for &(_, _, at) in some {
                    self.suspects.sent(at, tag);
                }
                self.asked.sent(ctx.now.mono);
                ctx.out.push(Effect::Look(LookRequest {
                    check,
                    watch: self.id,
                    folder: self.tree.id(folder),
                    path: self.tree.path(folder).into(),
                    inode: self.tree.inode(folder),
                    names: some.iter().map(|&(_, _, at)| self.tree.node(at).name().into()).collect(),
                    tag,
                }));
            }
        }
    }

    /// The folder of an entry that is to be looked at, and whether a run is to be given what is seen.
    fn kind_of_look(&self, at: u32) -> (u32, bool, u32) {
        let check = self.suspects.get(at).is_some_and(|suspect| suspect.told.any(Told::CHECK));
        (self.tree.node(at).parent(), check, at)
    }

    /// Takes the answer to a look.
    pub fn on_looked(&mut self, looked: Looked, ctx: &mut Ctx<'_>) {
        self.asked.answered(ctx.now.mono);
        let Some(folder) = self.tree.place(looked.folder) else { return };
        match looked.result {
            Ok(names) => {
                ctx.shared.counters.looks += names.len() as u64;
                for (name, seen) in names {
                    if let Some(at) = self.tree.lookup(folder, &name) {
                        self.on_seen(at, looked.tag, seen, ctx);
                    }
                }
            }
            Err(problem) => self.on_folder_problem(folder, looked.tag, &problem, ctx),
        }
    }

    fn on_seen(&mut self, at: u32, tag: u32, seen: Seen, ctx: &mut Ctx<'_>) {
        let stat = match seen {
            Seen::Here(stat) if stat.own => None,
            Seen::Here(stat) => Some(stat),
            Seen::Gone => None,
            Seen::Unknown(why) => {
                let line = format!("{} can't be looked at: {why}; trying again", self.absolute(at));
                ctx.log(LogLevel::Debug, line);
                self.suspects.again(at, tag, When::Later, ctx.now.mono);
                return;
            }
        };
        let more = self.suspects.get(at).is_some_and(|s| s.told.any(Told::CREATED.with(Told::MOVED_TO)));
        if stat.is_none() && more {
            // Gone, and come back since: the next look tells what of it is left.
            self.suspects.again(at, tag, When::Soon, ctx.now.mono);
            return;
        }
        if let Some(told) = self.suspects.answered(at, tag) {
            if self.suspects.get(at).is_none() {
                self.tree.node_mut(at).clear(Flags::SUSPECT);
            }
            self.conclude(at, stat, told, ctx);
        }
    }

    /// The folder itself could not be looked into.
    fn on_folder_problem(&mut self, folder: u32, tag: u32, problem: &FolderProblem, ctx: &mut Ctx<'_>) {
        let asked: Vec<u32> = self
            .tree
            .children(folder)
            .filter(|&at| self.suspects.get(at).and_then(|s| s.looking).is_some_and(|(t, _)| t == tag))
            .collect();
        let gone = *problem == FolderProblem::Gone;
        for at in asked {
            if gone {
                self.suspects.again(at, tag, When::Soon, ctx.now.mono);
            } else if self.suspects.told_live(at) {
                // What the kernel told of it is looked at once it can be; a reconcile does not wait for that.
                self.suspects.keep_live(at, tag, ctx.now.mono);
            } else if let Some(told) = self.suspects.answered(at, tag) {
                if self.suspects.get(at).is_none() {
                    // A folder in it is listed with it, when it can be read again.
                    self.tree.node_mut(at).clear(Flags::SUSPECT);
                    self.tree.node_mut(at).clear(Flags::UNLISTED);
                }
                if told.any(Told::CHECK) {
                    // What it would be given cannot be told now; it is asked again after the usual pause.
                    let due = ctx.now.mono.saturating_add(super::suspects::LATER);
                    self.pending.set_stage(at, Stage::Settling, due);
                }
                self.release_if_idle(at);
            }
        }
        if gone && folder == ROOT {
            self.miss_root(ctx);
        } else if gone {
            self.suspect(folder, Told::SOMETHING, When::Now, ctx);
        } else {
            self.note_unreadable(folder, problem, ctx);
        }
    }

    /// Concludes from a look and what was told before it.
    fn conclude(&mut self, at: u32, seen: Option<Stat>, told: Told, ctx: &mut Ctx<'_>) {
        if seen.is_none_or(|stat| stat.file_type != FileType::Dir) {
            self.tree.node_mut(at).clear(Flags::UNLISTED);
        }
        if self.concludes_layer(at, seen, told, ctx) {
            return;
        }
        let node = self.tree.node(at);
        let known =
            node.has(Flags::KNOWN).then_some(Facts { file_type: node.file_type, ident: node.ident, ctime: node.ctime });
        let facts = seen.map(|stat| facts_of(&stat));
        let learnt = Learnt::by(told);
        let mut verdict = judge(known, facts, told);
        if verdict == Verdict::Create
            && self.tree.has_children(at)
            && facts.is_some_and(|f| f.file_type != FileType::Dir)
        {
            // It was to be a folder and things in it are suspected; what is there now has nothing in it.
            verdict = Verdict::Replace;
        }
        if told.any(Told::SCAN) && !told.live() && self.defer(at, verdict, seen, ctx) {
            if let Some(stat) = seen.filter(|stat| verdict == Verdict::Create && stat.file_type == FileType::Dir) {
                self.list_deferred(at, &stat, ctx);
            }
            return;
        }
        match (verdict, seen) {
            (Verdict::Same, None) => {
                self.checked_gone(at, ctx.now);
                // Nothing can be in a folder that is not there.
                self.tell_gone(at, learnt, ctx);
            }
            (Verdict::Same | Verdict::Attrib, Some(stat)) => self.conclude_same(at, stat, verdict, told, ctx),
            (Verdict::Transient, _) => {
                self.transient += 1;
                self.tell_gone(at, learnt, ctx);
            }
            (Verdict::Create, Some(stat)) => self.conclude_create(at, stat, learnt, ctx),
            (Verdict::Modify(why), Some(stat)) => {
                self.tell_modify(at, stat, learnt, why, ctx);
                self.note_told_open(at, told);
                if told.any(Told::CHECK) {
                    self.take_after_ceiling(at, stat, ctx);
                }
            }
            (Verdict::Replace, Some(stat)) => {
                let folder = self.tree.node(at).parent();
                let name: Name = self.tree.node(at).name().into();
                self.tell_gone(at, learnt, ctx);
                let again = self.tree.lookup(folder, &name);
                let again = again.unwrap_or_else(|| self.tree.insert(folder, &name, stat.file_type));
                self.conclude_create(again, stat, learnt, ctx);
            }
            _ => self.tell_gone(at, learnt, ctx),
        }
    }

    /// Concludes what is a matter of mounts, and of folders that a scan compares by their paths: whether that was all.
    fn concludes_layer(&mut self, at: u32, seen: Option<Stat>, told: Told, ctx: &mut Ctx<'_>) -> bool {
        let hidden = self.tree.node(at).has(Flags::HIDDEN);
        let Some(stat) = seen else {
            if hidden {
                // As was known: it cannot be seen.
                self.park(at, ctx);
            }
            return hidden;
        };
        let scan = told.any(Told::SCAN);
        if self.layer_changed(at, &stat) {
            self.switch_layer(at, &stat, scan && self.scan.is_some(), ctx);
            return true;
        }
        if hidden {
            self.show(at, ctx.now.mono);
        }
        let folders = self.tree.node(at).is_dir() && stat.file_type == FileType::Dir;
        if folders && self.tree.node(at).has(Flags::KNOWN) && (hidden || (scan && !told.live())) {
            // Another folder at the same path: what is in it is compared with what was in that one.
            self.tree.node_mut(at).set(Flags::UNLISTED);
            self.note_present(at, &stat);
        }
        false
    }

    fn conclude_create(&mut self, at: u32, stat: Stat, learnt: Learnt, ctx: &mut Ctx<'_>) {
        let dir = stat.file_type == FileType::Dir;
        if dir && !self.tree.node(at).is_dir() && !self.folder_wanted(at) {
            // Its name was let in as a file's.
            self.release_if_idle(at);
            return;
        }
        if !dir && self.tree.node(at).is_dir() {
            // A scan found a folder of this name, which was not told yet and is no more.
            self.disarm(at, ctx);
        }
        let open = self.tree.node(at).has(Flags::OPEN);
        self.tell_create(at, stat, learnt, ctx);
        if dir {
            self.list_folder(at, true, false, ctx);
        } else if open {
            self.tree.node_mut(at).set(Flags::TOLD_OPEN);
        }
    }

    /// A file that was told while no close of it had been seen is told once more at its close.
    fn note_told_open(&mut self, at: u32, told: Told) {
        if self.tree.node(at).has(Flags::OPEN) && told.any(Told::MODIFIED) {
            self.tree.node_mut(at).set(Flags::TOLD_OPEN);
        }
    }

    fn conclude_same(&mut self, at: u32, stat: Stat, verdict: Verdict, told: Told, ctx: &mut Ctx<'_>) {
        if stat.file_type == FileType::Dir {
            self.tree.node_mut(at).ident = ident_of(&stat);
            if told.any(Told::CHECK) {
                // Commands run for files, and this is none any more.
                self.resolve(at, crate::sweep::Verdict::Vanished, ctx);
            }
            if self.tree.node(at).has(Flags::UNLISTED)
                || told.any(Told::CREATED.with(Told::MOVED_TO).with(Told::SOMETHING))
            {
                self.list_folder(at, true, told.any(Told::SCAN) && self.scan.is_some(), ctx);
            }
            return;
        }
        self.ledger.seen(at, &self.tree, stat.fingerprint);
        if verdict == Verdict::Attrib {
            self.note_ctime(at, stat, told, ctx);
        }
        if told.any(Told::CHECK) {
            self.checked(at, stat, ctx);
        }
    }
}

/// What the merge table needs to know of what was seen.
pub(super) fn facts_of(stat: &Stat) -> Facts {
    Facts { file_type: stat.file_type, ident: ident_of(stat), ctime: ctime_hash(stat.fingerprint.ctime) }
}
