//! What the source tells becomes suspicions. Nothing is recorded here but what only the kernel can know: that a
//! folder is gone, that a rename paired, that events were lost.

use fsmon_protocol::event::GapReason;
use fsmon_protocol::fingerprint::FileType;

use super::Watch;
use super::pending::Stage;
use super::suspects::When;
use super::tell::Learnt;
use crate::io::{HintWhat, NameHint};
use crate::judge::Told;
use crate::shared::Ctx;
use crate::tree::{Flags, ROOT};

impl Watch {
    /// Takes one hint.
    pub fn on_hint(&mut self, what: HintWhat, ctx: &mut Ctx<'_>) {
        ctx.shared.counters.hints += 1;
        match what {
            HintWhat::Name { folder, name, how, dir } => {
                if let Some(folder) = self.tree.place(folder)
                    && self.acts()
                {
                    self.on_name(folder, &name, how, dir, ctx);
                }
            }
            HintWhat::Disarmed { folder, unmounted } => {
                if let Some(at) = self.tree.place(folder) {
                    self.on_disarmed(at, unmounted, ctx);
                }
            }
            HintWhat::RootMoved => self.lose_root("it was moved away or replaced", GapReason::RootGone, ctx),
            HintWhat::Overflow => {
                ctx.shared.counters.overflows += 1;
                self.end_limbo_in_doubt();
                self.suspect_all(GapReason::Overflow, ctx);
            }
            HintWhat::SourceFailed(why) => {
                let line = format!("watch {}: the source of events failed ({why}); comparing the tree now", self.name);
                ctx.log(crate::io::LogLevel::Warn, line);
                self.suspect_all(GapReason::SourceError, ctx);
            }
            HintWhat::ReadEmpty => self.queue_was_empty(ctx.now.mono),
        }
    }

    /// Events of the whole watch may have been lost.
    fn suspect_all(&mut self, reason: GapReason, ctx: &mut Ctx<'_>) {
        self.open_gap(reason, self.root_path.clone(), ctx);
        self.want_scan();
    }

    fn on_name(&mut self, folder: u32, name: &[u8], how: NameHint, dir: bool, ctx: &mut Ctx<'_>) {
        self.hear_ignores(folder, name, how, ctx.now.mono);
        if !self.wanted(folder, name, dir) {
            self.hear_probe(folder, name);
            // Renamed out of what is watched: there is no other side that could be seen.
            if let NameHint::MovedTo(cookie) = how {
                self.limbo_leaves(cookie, ctx);
            }
            return;
        }
        self.name_reused(folder, name, ctx);
        match how {
            NameHint::MovedFrom(cookie) => self.moved_from(folder, name, cookie, dir, ctx),
            NameHint::MovedTo(cookie) => self.moved_to(folder, name, cookie, dir, ctx),
            NameHint::Deleted if dir => self.dir_deleted(folder, name, ctx),
            NameHint::Created if dir => self.dir_created(folder, name, ctx),
            _ => self.file_hint(folder, name, how, ctx),
        }
    }

    /// A folder appeared. Its listing is the look: it tells the folder and what is in it.
    pub(super) fn dir_created(&mut self, folder: u32, name: &[u8], ctx: &mut Ctx<'_>) {
        if let Some(at) = self.tree.lookup(folder, name) {
            // Something of that name is known, so its end was missed or is being looked at.
            self.suspect(at, Told::CREATED, When::Now, ctx);
        } else {
            let at = self.tree.insert(folder, name, FileType::Dir);
            self.list_folder(at, true, false, ctx);
        }
    }

    /// A folder was deleted. The kernel's word is enough: only an empty folder can be, and the end of each entry was
    /// told before.
    fn dir_deleted(&mut self, folder: u32, name: &[u8], ctx: &mut Ctx<'_>) {
        let Some(at) = self.tree.lookup(folder, name) else { return };
        if self.tree.node(at).is_dir() {
            self.tell_gone(at, Learnt::LIVE, ctx);
        } else {
            self.suspect(at, Told::DELETED, When::Now, ctx);
        }
    }

    fn file_hint(&mut self, folder: u32, name: &[u8], how: NameHint, ctx: &mut Ctx<'_>) {
        let at = match (self.tree.lookup(folder, name), how) {
            (Some(at), _) => at,
            // Nothing is known of it, so that nothing can have ended.
            (None, NameHint::Deleted) => return,
            (None, _) => self.tree.insert(folder, name, FileType::File),
        };
        if how == NameHint::Attrib && self.tree.node(at).is_dir() {
            // Times of folders change with what is in them; only a folder that could not be read is of interest.
            if self.tree.node(at).has(Flags::UNREADABLE) {
                self.list_folder(at, true, false, ctx);
            }
            return;
        }
        let node = self.tree.node_mut(at);
        let known = node.has(Flags::KNOWN);
        let (told, when) = match how {
            NameHint::Created => (Told::CREATED, When::Soon),
            NameHint::Modified => {
                node.set(Flags::OPEN);
                (Told::MODIFIED, if known { When::Later } else { When::Soon })
            }
            NameHint::Closed => {
                let told_open = node.has(Flags::TOLD_OPEN);
                node.clear(Flags::OPEN);
                node.clear(Flags::TOLD_OPEN);
                (if told_open { Told::CLOSED_AFTER_TOLD } else { Told::CLOSED }, When::Now)
            }
            NameHint::Attrib => (Told::ATTRIB, if known { When::Now } else { When::Soon }),
            NameHint::Deleted => {
                node.clear(Flags::OPEN);
                node.clear(Flags::TOLD_OPEN);
                (Told::DELETED, When::Now)
            }
            NameHint::Something | NameHint::MovedFrom(_) | NameHint::MovedTo(_) => (Told::SOMETHING, When::Soon),
        };
        if how == NameHint::Modified && node.has(Flags::PENDING) {
            self.unsettle(at, ctx);
        }
        self.suspect(at, told, when, ctx);
    }

    /// A pending file is being written again: it does not run before it has settled anew.
    fn unsettle(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        let now = ctx.now.mono;
        self.keep_from_beginning(at, ctx);
        let Some(pending) = self.pending.get(at) else { return };
        let due = now.saturating_add(self.rules.open_quiet.nanos());
        // A file that is written all the time moves its due time once a second, not at each write.
        let moves = pending.stage != Stage::Settling || pending.due.saturating_add(super::suspects::LATER) < due;
        if moves && matches!(pending.stage, Stage::Settling | Stage::Checking | Stage::Ready) {
            self.pending.set_stage(at, Stage::Settling, due);
        }
    }

    /// Suspects an entry.
    pub(super) fn suspect(&mut self, at: u32, told: Told, when: When, ctx: &Ctx<'_>) {
        self.suspects.suspect(at, told, when, ctx.now.mono);
        let node = self.tree.node_mut(at);
        node.set(Flags::SUSPECT);
        node.clear(Flags::DEFERRED);
    }

    fn on_disarmed(&mut self, at: u32, unmounted: bool, ctx: &mut Ctx<'_>) {
        let node = self.tree.node_mut(at);
        if node.has(Flags::ARMED) {
            node.clear(Flags::ARMED);
            self.armed -= 1;
        }
        if at == ROOT {
            let why = if unmounted { "its file system was unmounted" } else { "it was deleted" };
            self.lose_root(why, GapReason::RootGone, ctx);
            return;
        }
        if unmounted {
            // What was on it is hidden, not deleted: what is there now is compared.
            self.doubt(self.mount_of(at), GapReason::Mount, ctx);
        } else {
            self.suspect(at, Told::DELETED, When::Now, ctx);
        }
    }
}
