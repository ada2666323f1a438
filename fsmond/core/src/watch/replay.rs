//! Replay: the journal's records that are newer than the stored rows, at a start. Nothing is told again, and nothing is
//! asked of the file system.

use fsmon_protocol::RawPath;
use fsmon_protocol::event::{Event, EventKind, RunRecord, What};
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::run::{RunStatus, Trigger};
use fsmon_protocol::units::Timestamp;

use super::Watch;
use super::pending::Stage;
use super::tell::Learnt;
use crate::ident::{ctime_hash, ident};
use crate::io::{JournalRow, Stat};
use crate::shared::Ctx;
use crate::sweep::Verdict;
use crate::tree::{Flags, ROOT};

impl Watch {
    /// Replays one journal row that is newer than the rows. Nothing is told again.
    pub fn replay(&mut self, row: &JournalRow, ctx: &mut Ctx<'_>) {
        if row.record.seq <= self.ledger.upto {
            return;
        }
        self.ledger.upto = row.record.seq;
        match &row.record.what {
            What::Event(event) => self.replay_event(event, row.fingerprint, ctx),
            What::Run(run) => self.replay_run(run, row.fingerprint, ctx),
            _ => {}
        }
    }

    /// The part of a path that is below the root; none where it is not.
    pub(super) fn rel<'a>(&self, path: &'a RawPath) -> Option<&'a [u8]> {
        let root = self.root_path.as_bytes();
        let rest = path.as_bytes().strip_prefix(root.strip_suffix(b"/").unwrap_or(root))?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
    }

    fn replay_event(&mut self, event: &Event, seen: Option<Fingerprint>, ctx: &mut Ctx<'_>) {
        let Some(rel) = self.rel(&event.path) else { return };
        if event.kind == EventKind::Delete {
            if let Some(at) = self.tree.resolve(rel).filter(|&at| at != ROOT) {
                for gone in self.tree.subtree(at) {
                    if !self.tree.in_use(gone) {
                        continue;
                    }
                    self.note_gone(gone, Trigger::Recovery, ctx);
                }
            }
            return;
        }
        let from = event.from.as_ref().and_then(|from| self.rel(from)).and_then(|from| self.tree.resolve(from));
        if let Some(from) = from.filter(|&from| from != ROOT) {
            if event.file_type == FileType::Dir {
                self.replay_dir_rename(from, rel, event, ctx);
                return;
            }
            self.replay_file_rename(from, rel, event, seen, ctx);
            return;
        }
        let Some(at) = self.place_for(rel, event.file_type, ctx) else { return };
        let fingerprint = seen.unwrap_or(Fingerprint { inode: 0, size: 0, mtime: 0, ctime: 0 });
        let stat = Stat::told(event.file_type, fingerprint);
        self.note_present(at, &stat);
        if event.file_type == FileType::Dir && fingerprint.inode == 0 {
            // It was told before its listing had given its inode: any folder of that name is the one.
            self.tree.node_mut(at).ident = 0;
        }
        if event.kind != EventKind::Attrib {
            self.ledger.touched.insert(at);
            self.now_pending(at, event.kind, event.from.clone(), Learnt::of(event.origin), &stat, ctx);
        }
    }

    fn replay_file_rename(
        &mut self,
        from: u32,
        rel: &[u8],
        event: &Event,
        seen: Option<Fingerprint>,
        ctx: &mut Ctx<'_>,
    ) {
        let Some(at) = self.place_for(rel, event.file_type, ctx).filter(|&at| at != from) else { return };
        let replaced = self.tree.node(at).has(Flags::KNOWN);
        self.take_over(from, at);
        self.ledger.dirty(&mut self.tree, at, seen);
        self.drop_subtree(from, ctx);
        self.ledger.touched.insert(at);
        if let Some(seen) = seen {
            let stat = Stat::told(event.file_type, seen);
            self.note_present(at, &stat);
        }
        if event.file_type == FileType::File {
            self.pending_renamed(at, event.from.clone(), replaced, Trigger::Recovery, ctx);
        } else {
            self.no_file_any_more(at, ctx);
        }
    }

    fn replay_dir_rename(&mut self, from: u32, rel: &[u8], event: &Event, ctx: &mut Ctx<'_>) {
        let (above, name) = split(rel);
        let Some(folder) = self.place_for(above, FileType::Dir, ctx) else { return };
        if self.tree.subtree(from).contains(&folder) {
            return;
        }
        if let Some(there) = self.tree.lookup(folder, name) {
            self.drop_subtree(there, ctx);
        }
        self.tree.relocate(from, folder, name);
        self.ledger.dirty(&mut self.tree, from, None);
        let skip = self.tree.path(from).len() + 1;
        for below in self.tree.subtree(from) {
            self.forget_processed(below);
            if self.tree.node(below).file_type == FileType::File && self.tree.node(below).has(Flags::KNOWN) {
                let before = event.from.as_ref().map(|f| f.join(&self.tree.path(below)[skip..]));
                self.pending_unseen(below, EventKind::Rename, before, Trigger::Recovery, ctx);
            }
        }
    }

    /// The place of this path; it and the folders above are made where they are not there.
    fn place_for(&mut self, rel: &[u8], file_type: FileType, ctx: &mut Ctx<'_>) -> Option<u32> {
        let mut at = ROOT;
        let mut names = rel.split(|&b| b == b'/').filter(|n| !n.is_empty()).peekable();
        while let Some(name) = names.next() {
            let kind = if names.peek().is_some() { FileType::Dir } else { file_type };
            if let Some(found) = self.tree.lookup(at, name)
                && (self.tree.node(found).is_dir()) != (kind == FileType::Dir)
            {
                self.drop_subtree(found, ctx);
            }
            let next = self.tree.lookup(at, name);
            at = next.unwrap_or_else(|| self.tree.insert(at, name, kind));
            if kind == FileType::Dir {
                self.tree.set_known(at, true);
                self.ledger.dirty(&mut self.tree, at, None);
            }
        }
        (at != ROOT || rel.is_empty()).then_some(at)
    }

    fn replay_run(&mut self, run: &RunRecord, given: Option<Fingerprint>, ctx: &mut Ctx<'_>) {
        let started = run.status == RunStatus::Started;
        if started && run.files.is_some() {
            // Which files it was given is not told.
            self.forget_pending_processed();
        }
        let Some(at) = run.path.as_ref().and_then(|p| self.rel(p)).and_then(|rel| self.tree.resolve(rel)) else {
            return;
        };
        if started {
            self.forget_processed(at);
        }
        if started
            && let Some(given) = given
            && self.tree.node(at).has(Flags::KNOWN)
            && self.tree.node(at).ident == ident(self.tree.node(at).file_type, &given)
        {
            // It was looked at right before: no record tells that a rename, say, gave it another ctime.
            self.tree.node_mut(at).ctime = ctime_hash(given.ctime);
            self.ledger.dirty(&mut self.tree, at, Some(given));
        }
        let Some(pending) = self.pending.get_mut(at) else { return };
        if started {
            (pending.seen, pending.seen_since) = (given, u64::MAX);
            self.ledger.touched.remove(&at);
            return;
        }
        let known = self.tree.node(at).has(Flags::KNOWN);
        if self.ledger.touched.contains(&at) || pending.seen != given {
            // It changed while that run was going: one more is due.
            return;
        }
        match run.status {
            RunStatus::Ok => {
                self.processed(run.run, at, ctx);
                self.owe_putting_away(at, ctx.now);
            }
            RunStatus::Vanished if !known => self.resolve(at, Verdict::Ok, ctx),
            RunStatus::Vanished | RunStatus::Retry => pending.attempts = run.attempt,
            RunStatus::Failed => {
                pending.attempts = run.attempt;
                self.pending.set_stage(at, Stage::Failed, u64::MAX);
                self.owe_putting_away(at, ctx.now);
            }
            RunStatus::Started | RunStatus::Later | RunStatus::Interrupted | RunStatus::Lost => {}
        }
    }

    /// After the replay: what is pending settles from now on, as something that a scan found, since nobody knows who
    /// wrote to it meanwhile. `heard` is when the daemon was last known to run.
    pub fn replayed(&mut self, heard: Option<Timestamp>, ctx: &mut Ctx<'_>) {
        let now = ctx.now;
        self.ledger.touched.clear();
        self.leaving.clear();
        for at in 1..self.tree.places() {
            self.release_if_idle(at);
        }
        for at in self.pending.places() {
            if self.gone_in_its_run(at) {
                self.resolve(at, Verdict::Vanished, ctx);
                continue;
            }
            self.settle_as_found(at, now);
            self.pace_again(at);
            self.owe_putting_away(at, now);
        }
        self.pass_over_missed(ctx);
        self.set_schedule(ctx);
        self.down = self.baseline_done.then(|| heard.unwrap_or(now.wall).min(now.wall));
    }

    /// Whether a file was deleted while its command ran, which a checkpoint has kept, and nobody wants to be told of that.
    fn gone_in_its_run(&self, at: u32) -> bool {
        !self.tree.node(at).has(Flags::KNOWN)
            && !self.wants_kind(EventKind::Delete)
            && self.pending.get(at).is_some_and(|p| p.stage == Stage::Settling && p.kind == EventKind::Delete)
    }
}

/// The folder's part of a path, and the name in it.
fn split(rel: &[u8]) -> (&[u8], &[u8]) {
    match rel.iter().rposition(|&b| b == b'/') {
        Some(i) => (&rel[..i], &rel[i + 1..]),
        None => (b"", rel),
    }
}
