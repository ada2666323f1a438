//! The ignore files in the tree, where the watch heeds them: what each said when its folder was last listed.
//!
//! They are read with the listing of their folder, before its entries, and again when something is told of one. What is
//! ignored from then on is dropped as by a filter; what is not any more is found by the listing, which then goes down to
//! all that is below. It is as if that had never been ignored: what was there when the watch was added follows
//! `existing`, and the rest is new.
//!
//! What they say is stored before anything that follows from it, so that after a crash nothing is judged otherwise than it
//! was told. One that cannot be read goes on to say what it said: it must never drop a file that it once let in.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Watch;
use super::suspects::{LATER, SOON};
use crate::ignores::{self, IgnoreFile};
use crate::io::{AskIgnores, IgnoreRead, LogLevel, NameHint};
use crate::shared::Ctx;
use crate::tree::{Flags, ROOT};

/// So much is held for one watch at most, all its ignore files together, in simple rules.
const MOST_RULES: usize = 50_000;

/// What is known of the ignore files of one watch, all by the place of their folders.
#[derive(Debug, Default)]
pub(super) struct Ignores {
    files: HashMap<u32, Arc<IgnoreFile>>,
    /// How much these weigh.
    weight: usize,
    /// What they said before, until all that is let in since is found.
    before: HashMap<u32, Option<Arc<IgnoreFile>>>,
    /// Something was told of them: when to read them.
    told: HashMap<u32, u64>,
    /// They cannot be read: why.
    unread: HashMap<u32, String>,
    /// What is stored of them is something else.
    unstored: BTreeSet<u32>,
}

impl Ignores {
    /// What the ignore file of a folder says.
    pub fn get(&self, at: u32) -> Option<&IgnoreFile> {
        self.files.get(&at).map(Arc::as_ref)
    }

    /// What it said before.
    fn before(&self, at: u32) -> Option<&IgnoreFile> {
        self.before.get(&at).map_or_else(|| self.get(at), Option::as_deref)
    }

    /// What all that are known say.
    pub fn all(&self) -> &HashMap<u32, Arc<IgnoreFile>> {
        &self.files
    }

    /// The folders whose ignore files are known.
    pub fn places(&self) -> impl Iterator<Item = u32> + '_ {
        self.files.keys().copied()
    }

    fn put(&mut self, at: u32, file: Option<Arc<IgnoreFile>>) -> Option<Arc<IgnoreFile>> {
        self.weight += file.as_ref().map_or(0, |file| file.weight());
        let old = match file {
            Some(file) => self.files.insert(at, file),
            None => self.files.remove(&at),
        };
        self.weight -= old.as_ref().map_or(0, |old| old.weight());
        old
    }

    /// What is to be stored of them.
    pub fn take_unstored(&mut self) -> Vec<(u32, Option<Arc<IgnoreFile>>)> {
        let unstored = std::mem::take(&mut self.unstored);
        unstored.into_iter().map(|at| (at, self.files.get(&at).cloned())).collect()
    }

    /// The next moment at which one is to be read.
    pub fn deadline(&self) -> Option<u64> {
        self.told.values().copied().min()
    }

    /// How many cannot be read.
    pub fn unread(&self) -> usize {
        self.unread.len()
    }
}

impl Watch {
    /// Whether it asks ignore files: a watch of one file asks no filter.
    pub(super) fn heeds_ignores(&self) -> bool {
        self.rules.gitignore && self.only.is_none()
    }

    /// What to ask of the ignore file in a folder that is to be listed.
    pub(super) fn ask_ignores(&mut self, at: u32) -> AskIgnores {
        self.ignores.told.remove(&at);
        if self.heeds_ignores() { AskIgnores::Yes(self.ignores.files.get(&at).cloned()) } else { AskIgnores::No }
    }

    /// Something was told of a name: where that is an ignore file, it is to be read.
    pub(super) fn hear_ignores(&mut self, folder: u32, name: &[u8], how: NameHint, now: u64) {
        if name != ignores::NAME || !self.heeds_ignores() {
            return;
        }
        // Who saves it may delete or empty it first, and all that it ignores would be let in for that moment.
        let whole = matches!(how, NameHint::Closed | NameHint::MovedTo(_) | NameHint::Attrib);
        let after = if whole { 0 } else { LATER };
        let due = now.saturating_add(after);
        self.ignores.told.entry(folder).and_modify(|at| *at = due.min(*at)).or_insert(due);
    }

    /// Lists the folders of which the ignore file was told to have changed, when it is time; and forgets what they said
    /// before, when all is found.
    pub(super) fn on_ignores_due(&mut self, ctx: &mut Ctx<'_>) {
        if !self.ignores.before.is_empty() && self.scan.is_none() && self.listings.left() == 0 {
            self.ignores.before.clear();
        }
        if self.ignores.told.is_empty() || !self.acts() {
            return;
        }
        let mut due: Vec<u32> =
            self.ignores.told.iter().filter(|due| *due.1 <= ctx.now.mono).map(|due| *due.0).collect();
        due.sort_unstable();
        for at in due {
            self.ignores.told.remove(&at);
            if self.tree.moving(at) {
                // It will be listed where it arrives.
            } else if self.tree.node(at).has(Flags::LISTING) {
                // What it said may have been read before that.
                self.ignores.told.insert(at, ctx.now.mono.saturating_add(SOON));
            } else {
                self.list_folder(at, false, false, ctx);
            }
        }
    }

    /// What the ignore file of a folder says, read before its entries. Returns whether it is something else than before.
    pub(super) fn on_ignores_read(&mut self, at: u32, read: IgnoreRead, ctx: &mut Ctx<'_>) -> bool {
        if !self.heeds_ignores() {
            return false;
        }
        let held = self.ignores.weight - self.ignores.get(at).map_or(0, IgnoreFile::weight);
        let file = match read {
            IgnoreRead::Missing => None,
            IgnoreRead::Read(file) if held + file.weight() <= MOST_RULES => Some(file),
            IgnoreRead::Read(_) => {
                self.note_ignores_unread(at, format!("all of them weigh more than {MOST_RULES} short rules"), ctx);
                return false;
            }
            IgnoreRead::Unread(why) => {
                self.note_ignores_unread(at, why, ctx);
                return false;
            }
        };
        if self.ignores.unread.remove(&at).is_some() {
            ctx.log(LogLevel::Info, format!("watch {}: {} can be read again", self.name, self.ignores_path(at)));
        }
        if self.ignores.get(at) == file.as_deref() {
            return false;
        }
        let (rules, odd) = file.as_ref().map_or((0, 0), |file| (file.rules(), file.odd()));
        let level = if odd > 0 { LogLevel::Info } else { LogLevel::Debug };
        let path = self.ignores_path(at);
        ctx.log(
            level,
            format!("watch {}: {path} says something else now: rules {rules}, lines not understood {odd}", self.name),
        );
        let before = self.ignores.put(at, file);
        self.ignores.before.entry(at).or_insert(before);
        self.ignores.unstored.insert(at);
        self.drop_unwanted_below(at, ctx);
        // Whatever follows from it is recorded after it.
        self.checkpoint(ctx);
        true
    }

    /// An ignore file cannot be read: what it said holds. Said once.
    fn note_ignores_unread(&mut self, at: u32, why: String, ctx: &mut Ctx<'_>) {
        if self.ignores.unread.get(&at) != Some(&why) {
            let path = self.ignores_path(at);
            let holds = if self.ignores.get(at).is_some() { "what it said before holds" } else { "it ignores nothing" };
            ctx.log(LogLevel::Warn, format!("watch {}: {path} can't be read: {why}; {holds} until it can", self.name));
            self.ignores.unread.insert(at, why);
        }
    }

    /// The ignore file of a folder, for people.
    pub(super) fn ignores_path(&self, at: u32) -> fsmon_protocol::RawPath {
        self.absolute(at).join(ignores::NAME)
    }

    /// A folder is not watched any more.
    pub(super) fn forget_ignores(&mut self, at: u32) {
        self.forget_let_in(at);
        if !self.rules.gitignore {
            return;
        }
        self.ignores.before.remove(&at);
        self.ignores.told.remove(&at);
        self.ignores.unread.remove(&at);
        if self.ignores.put(at, None).is_some() {
            self.ignores.unstored.insert(at);
            self.ledger.touch();
        }
    }

    /// The option may have been taken back: then nothing is held of them.
    pub(super) fn heed_ignores_or_not(&mut self) {
        if !self.heeds_ignores() {
            let unstored: BTreeSet<u32> = self.ignores.places().chain(self.ignores.unstored.iter().copied()).collect();
            self.ignores = Ignores { unstored, ..Ignores::default() };
        }
    }

    /// Takes what is stored of an ignore file, once the rows are there.
    pub fn restore_ignores(&mut self, at: u32, text: &[u8]) {
        let folder = self.tree.in_use(at) && self.tree.node(at).is_dir();
        match IgnoreFile::new(text) {
            Ok(file) if folder && self.heeds_ignores() => drop(self.ignores.put(at, Some(Arc::new(file)))),
            // The listing of its folder reads it.
            _ => drop(self.ignores.unstored.insert(at)),
        }
    }

    /// Whether an entry that is seen for the first time was ignored until an ignore file said something else just now.
    pub(super) fn was_ignored(&self, at: u32, dir: bool) -> bool {
        if self.ignores.before.is_empty() {
            return false;
        }
        let rel = self.tree.path(at);
        let (mut at, mut end, mut dir) = (at, rel.len(), dir);
        while at != ROOT {
            let (folder, name) = (self.tree.node(at).parent(), self.tree.node(at).name().len());
            if self.ignored_by(folder, &rel[..end], dir, |at| self.ignores.before(at)).is_some_and(|by| by.2) {
                return true;
            }
            end = end.saturating_sub(name + 1);
            (at, dir) = (folder, true);
        }
        false
    }
}
