//! Telling: an event goes into the journal, the tree follows it, and the file becomes pending. One place for all
//! three, so that journal, ledger and queue cannot disagree.

use fsmon_protocol::RawPath;
use fsmon_protocol::event::{Event, EventKind, Origin, What, Why};
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::run::Trigger;

use super::Watch;
use crate::ident::{ctime_hash, ident_of};
use crate::io::{Effect, Stat};
use crate::judge::Told;
use crate::shared::Ctx;
use crate::tree::{Flags, ROOT};

impl Watch {
    /// Records one event and gives its number.
    fn tell(&mut self, event: Event, fingerprint: Option<Fingerprint>, ctx: &mut Ctx<'_>) {
        if let Some(scan) = &mut self.scan {
            scan.found += u64::from(event.origin == Origin::Scan);
        }
        self.ledger.upto = ctx.record(Some((self.id, &self.name)), What::Event(event), fingerprint);
    }

    fn event(&self, kind: EventKind, at: u32, stat: &Stat, origin: Origin) -> Event {
        Event {
            kind,
            path: self.absolute(at),
            from: None,
            file_type: stat.file_type,
            size: (stat.file_type == FileType::File).then_some(stat.fingerprint.size),
            origin,
            why: None,
        }
    }

    /// Something new is there.
    pub(super) fn tell_create(&mut self, at: u32, stat: Stat, learnt: Learnt, ctx: &mut Ctx<'_>) {
        self.tell_folder(self.tree.node(at).parent(), None, ctx);
        self.note_present(at, &stat);
        let event = self.event(EventKind::Create, at, &stat, learnt.origin);
        self.tell(event, Some(stat.fingerprint), ctx);
        self.now_pending(at, EventKind::Create, None, learnt, &stat, ctx);
        self.on_present(at, ctx.now.mono);
    }

    /// Its content changed, or something took its name.
    pub(super) fn tell_modify(&mut self, at: u32, stat: Stat, learnt: Learnt, why: Option<Why>, ctx: &mut Ctx<'_>) {
        self.note_present(at, &stat);
        let event = Event { why, ..self.event(EventKind::Modify, at, &stat, learnt.origin) };
        self.tell(event, Some(stat.fingerprint), ctx);
        self.now_pending(at, EventKind::Modify, None, learnt, &stat, ctx);
    }

    /// A scan found it under another name: `from` is its absolute path before.
    pub(super) fn tell_rename(&mut self, at: u32, stat: Stat, from: RawPath, ctx: &mut Ctx<'_>) {
        self.tell_folder(self.tree.node(at).parent(), None, ctx);
        self.note_present(at, &stat);
        let event = Event { from: Some(from.clone()), ..self.event(EventKind::Rename, at, &stat, Origin::Scan) };
        self.tell(event, Some(stat.fingerprint), ctx);
        self.now_pending(at, EventKind::Rename, Some(from), Learnt::SCANNED, &stat, ctx);
        self.on_present(at, ctx.now.mono);
    }

    /// The kernel told that a known file has another name now, at which there was another one where `replaced`.
    pub(super) fn tell_file_renamed(&mut self, at: u32, from: &RawPath, replaced: bool, ctx: &mut Ctx<'_>) {
        self.tell_folder(self.tree.node(at).parent(), None, ctx);
        let seen = self.ledger.fresh(at).or_else(|| self.pending.get(at).and_then(|p| p.seen));
        let file_type = self.tree.node(at).file_type;
        let event = Event {
            kind: EventKind::Rename,
            path: self.absolute(at),
            from: Some(from.clone()),
            file_type,
            size: seen.filter(|_| file_type == FileType::File).map(|f| f.size),
            origin: Origin::Live,
            why: None,
        };
        self.ledger.dirty(&mut self.tree, at, seen);
        self.tell(event, seen, ctx);
        self.on_present(at, ctx.now.mono);
        if file_type == FileType::File {
            self.pending_renamed(at, Some(from.clone()), replaced, Trigger::FileChange, ctx);
        } else {
            self.no_file_any_more(at, ctx);
        }
    }

    /// A known folder has another name, with all below it. Each file below becomes pending.
    pub(super) fn tell_dir_renamed(&mut self, at: u32, from: &RawPath, learnt: Learnt, ctx: &mut Ctx<'_>) {
        let path = self.absolute(at);
        let event = Event {
            kind: EventKind::Rename,
            path,
            from: Some(from.clone()),
            file_type: FileType::Dir,
            size: None,
            origin: learnt.origin,
            why: None,
        };
        self.ledger.dirty(&mut self.tree, at, None);
        self.tell(event, None, ctx);
        let skip = self.tree.path(at).len() + 1;
        for below in self.tree.subtree(at) {
            self.forget_processed(below);
            let node = self.tree.node(below);
            if node.file_type == FileType::File && node.has(Flags::KNOWN) && !node.has(Flags::HIDDEN) {
                let before = from.join(&self.tree.path(below)[skip..]);
                self.pending_unseen(below, EventKind::Rename, Some(before), learnt.trigger, ctx);
            }
        }
    }

    /// Mode, owner or links changed: noted, and told where the watch asks for it.
    pub(super) fn note_ctime(&mut self, at: u32, stat: Stat, told: Told, ctx: &mut Ctx<'_>) {
        self.note_present(at, &stat);
        if self.rules.attrib && told.any(Told::ATTRIB) {
            let event = self.event(EventKind::Attrib, at, &stat, Origin::Live);
            self.tell(event, Some(stat.fingerprint), ctx);
        } else {
            self.ledger.soon(ctx.now.mono);
        }
        if let Some(pending) = self.pending.get_mut(at) {
            pending.saw(stat.fingerprint, ctx.now.mono);
        }
    }

    /// The tree follows: this is there.
    pub(super) fn note_present(&mut self, at: u32, stat: &Stat) {
        if self.tree.node(at).file_type != stat.file_type {
            self.tree.set_type(at, stat.file_type);
        }
        self.tree.set_known(at, true);
        let node = self.tree.node_mut(at);
        node.clear(Flags::DEFERRED);
        if stat.mount_point {
            node.set(Flags::MOUNT);
        } else {
            node.clear(Flags::MOUNT);
        }
        node.ident = ident_of(stat);
        node.ctime = ctime_hash(stat.fingerprint.ctime);
        self.ledger.dirty(&mut self.tree, at, Some(stat.fingerprint));
    }

    /// It is gone, and so is everything below it, which is told first.
    pub(super) fn tell_gone(&mut self, at: u32, learnt: Learnt, ctx: &mut Ctx<'_>) {
        if at == ROOT {
            return;
        }
        self.leave_below(at, ctx);
        for gone in self.tree.subtree(at) {
            if !self.tree.in_use(gone) {
                // Its place was freed with the last entry in it.
                continue;
            }
            if self.tree.node(gone).has(Flags::HIDDEN) {
                // Nobody knows what became of it; should it be seen again, it is new.
                self.drop_one(gone, ctx);
                continue;
            }
            let node = self.tree.node(gone);
            if node.has(Flags::KNOWN) {
                let event = Event {
                    kind: EventKind::Delete,
                    path: self.absolute(gone),
                    from: None,
                    file_type: node.file_type,
                    size: None,
                    origin: learnt.origin,
                    why: None,
                };
                self.tell(event, None, ctx);
            }
            self.note_gone(gone, learnt.trigger, ctx);
        }
    }

    /// The tree follows: this is no more. Its place is freed unless a run for its deletion is due.
    pub(super) fn note_gone(&mut self, at: u32, trigger: Trigger, ctx: &mut Ctx<'_>) {
        self.forget_watching(at, ctx);
        let file = self.tree.node(at).file_type == FileType::File;
        let was_known = self.tree.node(at).has(Flags::KNOWN);
        self.tree.set_known(at, false);
        self.tree.node_mut(at).ident = 0;
        self.processed.forget(at);
        self.ledger.dirty(&mut self.tree, at, None);
        if file && was_known {
            self.gone_pending(at, trigger, ctx);
        } else {
            // The look before its run went with the suspicion of it; that its folder is gone answers it.
            self.checked_gone(at, ctx.now);
        }
        self.release_if_idle(at);
    }

    /// What the source and the lister hold for an entry is no more wanted.
    pub(super) fn forget_watching(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        self.suspects.forget(at);
        let node = self.tree.node_mut(at);
        // Also where the suspicion itself was handed on to another entry: a flag left would keep this place for ever.
        node.clear(Flags::SUSPECT);
        node.clear(Flags::UNLISTED);
        node.clear(Flags::DEFERRED);
        node.clear(Flags::OPEN);
        node.clear(Flags::TOLD_OPEN);
        self.disarm(at, ctx);
    }

    /// It is no folder to be watched any more. What is suspected of its name stays.
    pub(super) fn disarm(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        let node = self.tree.node_mut(at);
        if node.has(Flags::UNREADABLE) {
            node.clear(Flags::UNREADABLE);
            self.unreadable -= 1;
        }
        if node.has(Flags::ARMED) {
            node.clear(Flags::ARMED);
            self.armed -= 1;
        }
        if self.tree.node(at).is_dir() {
            self.forget_ignores(at);
            self.listings.forget(self.tree.id(at));
            self.tree.node_mut(at).clear(Flags::LISTING);
            ctx.out.push(Effect::Disarm(self.id, self.tree.id(at)));
        }
    }

    /// Frees the place of an entry that nobody knows, suspects or waits for, and then those of its folders likewise.
    pub(super) fn release_if_idle(&mut self, mut at: u32) {
        while at != ROOT && self.tree.in_use(at) {
            let node = self.tree.node(at);
            // One that is armed has still its own turn.
            let holds = [
                Flags::KNOWN,
                Flags::PENDING,
                Flags::SUSPECT,
                Flags::MOVING,
                Flags::LISTING,
                Flags::DEFERRED,
                Flags::ARMED,
            ];
            if holds.iter().any(|&flag| node.has(flag)) || self.tree.has_children(at) {
                return;
            }
            let folder = node.parent();
            self.forget_ignores(at);
            self.processed.forget(at);
            self.ledger.freed(at);
            self.tree.remove(at);
            at = folder;
        }
    }
}

/// How something was learnt: what the journal says of it, and why a run for it is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Learnt {
    pub origin: Origin,
    pub trigger: Trigger,
}

impl Learnt {
    /// A kernel event told it.
    pub const LIVE: Self = Self { origin: Origin::Live, trigger: Trigger::FileChange };
    /// A kernel event told of its folder, and the first listing of that showed it.
    pub const FOUND: Self = Self { origin: Origin::Scan, trigger: Trigger::FileChange };
    /// A reconcile found it.
    pub const SCANNED: Self = Self { origin: Origin::Scan, trigger: Trigger::Recovery };

    /// By what was told before the look that confirmed it.
    pub fn by(told: Told) -> Self {
        if told.live() {
            Self::LIVE
        } else if told.any(Told::FOUND) && !told.any(Told::SCAN) {
            Self::FOUND
        } else {
            Self::SCANNED
        }
    }

    /// As the journal has it.
    pub fn of(origin: Origin) -> Self {
        match origin {
            Origin::Live => Self::LIVE,
            Origin::Scan => Self::SCANNED,
        }
    }
}
