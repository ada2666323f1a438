//! `--dedupe`: a change that leaves a file as it was processed runs nothing. What was processed is kept per path, as a
//! digest of its content, or of its size and mtime.
//!
//! A digest is kept only where it is certain that the run was given just that: the file looked the same, ctime included,
//! when the run began and when the digest was taken after it, and its ctime was by then so old that a write in between
//! would have changed it. It goes when the next run of the file begins, whatever comes of that, and with any change but a
//! modification. In doubt the file runs. It never reads a file itself: the edge does, and answers.

use std::collections::{HashMap, VecDeque};

use fsmon_protocol::event::EventKind;
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::run::Trigger;
use fsmon_protocol::spec::{Dedupe, Rules};

use super::Watch;
use super::pending::Stage;
use crate::ident::seal;
use crate::io::{Digest, DigestRequest, Digested, Effect, LogLevel};
use crate::runs::Run;
use crate::shared::Ctx;
use crate::sweep::Verdict;

/// The content of a larger file is not read, in bytes: it runs for every change.
const LARGEST: u64 = 64 << 20;
/// So many digests are asked for at once; the others wait here. The edge takes one at a time.
const AT_ONCE: u32 = 16;
/// File times advance in steps that are shorter than this, in nanoseconds, but where they are whole seconds.
const STEP: u64 = 20_000_000;
/// And than this everywhere.
const LONG_STEP: u64 = 2_000_000_000;
/// So long without any answer, in nanoseconds, and runs wait for none any more. The edge gives a file up sooner.
const OVERDUE: u64 = 60_000_000_000;
/// So long after its last change a file waits no more for its ctime to be old enough.
const PATIENCE: u64 = 5_000_000_000;

/// What was processed of the files of one watch.
#[derive(Debug, Default)]
pub(super) struct Processed {
    /// Mixed into every digest, so that what another command was given is never the same.
    seal: [u8; 16],
    /// Of each file whose last run has succeeded, what that was given, where it is known.
    done: HashMap<u32, Done>,
    /// What the run of each file was given, until that has ended.
    given: HashMap<u32, Fingerprint>,
    /// What is asked of the edge, or about to be; one of each file at most.
    asked: HashMap<u32, Asked>,
    /// What is asked next, by place and tag: of files that wait for it, and of those that were processed. Some of it is
    /// not wanted any more. Bounded by the files there are, twice.
    before_runs: VecDeque<(u32, u32)>,
    after_runs: VecDeque<(u32, u32)>,
    /// How many are out, and when the last of them was answered, or the first asked.
    out: u32,
    since: u64,
    /// Changes that ran nothing.
    pub unchanged: u64,
}

/// What a run was given that succeeded.
#[derive(Debug)]
struct Done {
    digest: Digest,
    /// The file has changed since, and was as before.
    unchanged: bool,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    tag: u32,
    /// What was seen of the file: the answer is about that, or about nothing.
    seen: Fingerprint,
    /// Whether a run waits for the answer.
    before_run: bool,
}

impl Processed {
    /// Nothing is known. `rules` are those of the watch.
    pub fn new(rules: &Rules) -> Self {
        Self { seal: seal(rules), ..Self::default() }
    }

    /// What was processed of a file, as it is stored.
    pub fn stored(&self, at: u32) -> Option<Digest> {
        self.done.get(&at).map(|done| done.digest)
    }

    /// As it was stored.
    pub fn restore(&mut self, at: u32, digest: Digest) {
        self.done.insert(at, Done { digest, unchanged: false });
    }

    /// Whether the last change of a file left it as it had been processed.
    pub fn is_unchanged(&self, at: u32) -> bool {
        self.done.get(&at).is_some_and(|done| done.unchanged)
    }

    /// Nothing of this file is known any more; whether something was that is stored.
    pub fn forget(&mut self, at: u32) -> bool {
        self.given.remove(&at);
        self.asked.remove(&at);
        self.done.remove(&at).is_some()
    }

    /// A file is looked at anew: what was asked before that is not waited for.
    pub fn unask(&mut self, at: u32) {
        if self.asked.get(&at).is_some_and(|asked| asked.before_run) {
            self.asked.remove(&at);
        }
    }

    /// What was asked is not answered any more.
    pub fn closed(&mut self) {
        self.asked.clear();
        self.before_runs.clear();
        self.after_runs.clear();
        self.out = 0;
    }

    /// The places of which something is stored.
    pub fn places(&self) -> impl Iterator<Item = u32> {
        self.done.keys().copied()
    }

    fn ask(&mut self, at: u32, asked: Asked) {
        self.asked.insert(at, asked);
        let queue = if asked.before_run { &mut self.before_runs } else { &mut self.after_runs };
        queue.push_back((at, asked.tag));
        if queue.len() > 2 * self.asked.len() + 1024 {
            let wanted = |&(at, tag): &(u32, u32)| self.asked.get(&at).is_some_and(|asked| asked.tag == tag);
            queue.retain(wanted);
        }
    }

    /// When runs wait no more for what is out.
    pub fn deadline(&self) -> Option<u64> {
        (self.out > 0).then(|| self.since.saturating_add(OVERDUE))
    }

    /// The next that is still wanted.
    fn next(&mut self) -> Option<(u32, Asked)> {
        while let Some((at, tag)) = self.before_runs.pop_front().or_else(|| self.after_runs.pop_front()) {
            if let Some(&asked) = self.asked.get(&at).filter(|asked| asked.tag == tag) {
                return Some((at, asked));
            }
        }
        None
    }

    fn sealed(&self, mut digest: Digest) -> Digest {
        digest.iter_mut().zip(self.seal).for_each(|(byte, seal)| *byte ^= seal);
        digest
    }

    fn of_meta(&self, seen: &Fingerprint) -> Digest {
        let mut digest = Digest::default();
        digest[..8].copy_from_slice(&seen.size.to_le_bytes());
        digest[8..16].copy_from_slice(&seen.mtime.to_le_bytes());
        self.sealed(digest)
    }
}

/// How long it takes until a write is sure to give another ctime than this one.
fn step(ctime: i64) -> u64 {
    if ctime % 1_000_000_000 == 0 { LONG_STEP } else { STEP }
}

impl Watch {
    /// Whether a file that is complete is not to run now: it is as it was processed, or that is yet to be found out.
    pub(super) fn dedupes(&mut self, at: u32, ctx: &mut Ctx<'_>) -> bool {
        let Some(pending) = self.pending.get(at).filter(|_| self.rules.dedupe != Dedupe::Off) else { return false };
        // Without a ctime nobody can say that it was not written to.
        let Some(seen) = pending.seen.filter(|seen| seen.ctime != 0) else { return false };
        let (now, sure) = (ctx.now.mono, pending.seen_since.saturating_add(step(seen.ctime)));
        if sure > now {
            let waits = now < pending.changed.saturating_add(PATIENCE);
            if waits {
                self.pending.set_stage(at, Stage::Settling, sure);
            }
            return waits;
        }
        if !self.may_be_skipped(at) {
            return false;
        }
        if self.rules.dedupe == Dedupe::Meta {
            let same = self.processed.stored(at) == Some(self.processed.of_meta(&seen));
            if same {
                self.skip_unchanged(at, ctx);
            }
            return same;
        }
        if seen.size > LARGEST {
            return false;
        }
        self.processed.ask(at, Asked { tag: ctx.shared.tag(), seen, before_run: true });
        true
    }

    /// Whether a run of this file is for a modification alone, and something is known to compare it with. What a person or
    /// a sweep over all files wants runs.
    fn may_be_skipped(&self, at: u32) -> bool {
        let modified = self.pending.get(at).is_some_and(|pending| {
            pending.kind == EventKind::Modify && pending.sweep == 0 && pending.trigger != Trigger::Manual
        });
        modified && self.processed.done.contains_key(&at)
    }

    fn skip_unchanged(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        self.processed.unchanged += 1;
        if let Some(done) = self.processed.done.get_mut(&at) {
            done.unchanged = true;
        }
        let (path, how) = (self.absolute(at), self.rules.dedupe.as_str());
        ctx.log(LogLevel::Info, format!("{path} is as it was processed: nothing is run (dedupe {how})"));
        self.resolve(at, Verdict::Ok, ctx);
    }

    /// A run begins: what was processed of its files before says nothing any more.
    pub(super) fn begin_processing(&mut self, run: &Run, now: u64) {
        if self.rules.dedupe == Dedupe::Off {
            return;
        }
        for &file in run.given().map_or(std::slice::from_ref(&run.node), |given| &given.members) {
            let Some(at) = self.tree.place(file) else { continue };
            self.forget_processed(at);
            let Some(pending) = self.pending.get(at) else { continue };
            let sure =
                |seen: &Fingerprint| seen.ctime != 0 && pending.seen_since.saturating_add(step(seen.ctime)) <= now;
            if let Some(seen) = pending.seen.filter(sure) {
                self.processed.given.insert(at, seen);
            }
        }
    }

    /// A run of this file has succeeded: what it was given is kept, if the file is still that.
    pub(super) fn keep_processed(&mut self, at: u32, ctx: &mut Ctx<'_>) {
        let small = |seen: &Fingerprint| self.rules.dedupe != Dedupe::Content || seen.size <= LARGEST;
        if let Some(seen) = self.processed.given.remove(&at).filter(small) {
            self.processed.ask(at, Asked { tag: ctx.shared.tag(), seen, before_run: false });
        }
    }

    /// What was processed of this file says nothing any more, and is not stored either.
    pub(super) fn forget_processed(&mut self, at: u32) {
        if self.processed.forget(at) {
            self.ledger.dirty(&mut self.tree, at, None);
        }
    }

    /// The same of all files that a run may have been given of which no path is told.
    pub(super) fn forget_pending_processed(&mut self) {
        for at in self.pending.places() {
            self.forget_processed(at);
        }
    }

    /// Its rules are other ones: what was processed by another command, or is told from another by something else, says
    /// nothing about this one.
    pub(super) fn other_dedupe(&mut self, ctx: &Ctx<'_>) {
        if seal(&self.rules) == self.processed.seal {
            return;
        }
        let (out, unchanged) = (self.processed.out, self.processed.unchanged);
        let before =
            std::mem::replace(&mut self.processed, Processed { out, unchanged, ..Processed::new(&self.rules) });
        for at in before.places() {
            self.ledger.dirty(&mut self.tree, at, None);
        }
        if !before.asked.is_empty() {
            self.settle_checks(ctx);
        }
    }

    /// Asks for digests, some at a time: first those that runs wait for.
    pub(super) fn send_digests(&mut self, ctx: &mut Ctx<'_>) {
        while self.acts()
            && self.processed.out < AT_ONCE
            && let Some((at, asked)) = self.processed.next()
        {
            if self.processed.out == 0 {
                self.processed.since = ctx.now.mono;
            }
            self.processed.out += 1;
            let folder = self.tree.node(at).parent();
            ctx.out.push(Effect::Digest(DigestRequest {
                watch: self.id,
                folder: self.tree.id(folder),
                path: self.tree.path(folder).into(),
                inode: self.tree.inode(folder),
                name: self.tree.node(at).name().into(),
                file: self.tree.id(at),
                seen: asked.seen,
                content: self.rules.dedupe == Dedupe::Content,
                tag: asked.tag,
            }));
        }
    }

    /// Nothing is answered any more, since reading hangs: what waits for it runs.
    pub(super) fn on_digests_due(&mut self, ctx: &mut Ctx<'_>) {
        if self.processed.deadline().is_none_or(|due| due > ctx.now.mono) {
            return;
        }
        let waiting = self.processed.asked.iter().filter(|(_, asked)| asked.before_run);
        let mut waiting: Vec<u32> = waiting.map(|(&at, _)| at).collect();
        waiting.sort_unstable();
        self.processed.closed();
        ctx.log(LogLevel::Warn, format!("{} can't be read in time to compare files: they run", self.root_path));
        for at in waiting {
            if self.pending.get(at).is_some_and(|p| p.stage == Stage::Checking) {
                self.now_ready(at, ctx.now);
            }
        }
    }

    /// A file was read, or could not be.
    pub fn on_digested(&mut self, digested: Digested, ctx: &mut Ctx<'_>) {
        // An answer to what was asked before the source was closed is one too many.
        (self.processed.out, self.processed.since) = (self.processed.out.saturating_sub(1), ctx.now.mono);
        let Some(at) = self.tree.place(digested.file) else { return };
        let Some(&asked) = self.processed.asked.get(&at).filter(|asked| asked.tag == digested.tag) else { return };
        self.processed.asked.remove(&at);
        let digest = match digested.result {
            Ok(Some(content)) => Some(self.processed.sealed(content)),
            Ok(None) => Some(self.processed.of_meta(&asked.seen)),
            Err(why) => {
                ctx.log(LogLevel::Debug, format!("{} can't be compared: {why}", self.absolute(at)));
                None
            }
        };
        if !asked.before_run {
            if let Some(digest) = digest {
                self.processed.restore(at, digest);
                self.ledger.dirty(&mut self.tree, at, None);
            }
        } else if let Some(pending) = self.pending.get(at).filter(|p| p.stage == Stage::Checking) {
            let same = digest.is_some() && digest == self.processed.stored(at) && pending.seen == Some(asked.seen);
            if same && self.may_be_skipped(at) {
                self.skip_unchanged(at, ctx);
            } else {
                self.now_ready(at, ctx.now);
            }
        }
    }
}
