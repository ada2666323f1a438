//! Which entries are suspected to differ from what the journal told, and when each is to be looked at.
//!
//! A suspicion waits for one of three moments: at once, shortly (a new file may be closed any moment), or later (a
//! file that is being written is told at most once a second). It never decides anything.

use std::collections::{HashMap, VecDeque};

use crate::judge::Told;

/// How long a file that just appeared may stay open before it is told nevertheless.
pub const SOON: u64 = 20_000_000;
/// How often a file that is being written is told.
pub const LATER: u64 = 1_000_000_000;
/// So many are looked at at once; the others wait for answers, so that a scan of a million files asks for few at a time.
const AT_ONCE: usize = 4096;

/// When to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At the end of this step.
    Now,
    /// [`SOON`] from now.
    Soon,
    /// [`LATER`] from now.
    Later,
}

impl When {
    fn after(self, now: u64) -> u64 {
        match self {
            Self::Now => 0,
            Self::Soon => now.saturating_add(SOON),
            Self::Later => now.saturating_add(LATER),
        }
    }
}

/// One suspicion.
#[derive(Debug, Default)]
pub struct Suspect {
    /// What was told since the last look was sent.
    pub told: Told,
    /// The look that is under way, and what was told before it was sent.
    pub looking: Option<(u32, Told)>,
    /// When to look, in nanoseconds; `u64::MAX` while only an answer is awaited.
    due: u64,
}

/// All suspicions of one watch.
#[derive(Debug, Default)]
pub struct Suspects {
    map: HashMap<u32, Suspect>,
    now: VecDeque<u32>,
    soon: VecDeque<(u64, u32)>,
    later: VecDeque<(u64, u32)>,
    scanned: usize,
    /// How many have a look under way.
    looking: usize,
}

impl Suspects {
    /// How many of them a reconcile waits for.
    pub fn scanned(&self) -> usize {
        self.scanned
    }

    /// The suspicion about this entry.
    pub fn get(&self, at: u32) -> Option<&Suspect> {
        self.map.get(&at)
    }

    /// Those that were told as deleted, and nothing of which was told that could have come after it.
    pub fn deleted(&self) -> Vec<u32> {
        let again = Told::CREATED.with(Told::MOVED_TO).with(Told::SOMETHING);
        let gone = |told: Told| told.any(Told::DELETED) && !told.any(again);
        let mut all: Vec<u32> = self.map.iter().filter(|(_, s)| gone(s.all_told())).map(|(&at, _)| at).collect();
        all.sort_unstable();
        all
    }

    /// Suspects an entry, or adds to what was told of it. It is looked at by then, or earlier if that was due before.
    pub fn suspect(&mut self, at: u32, told: Told, when: When, now: u64) -> &mut Suspect {
        let suspect = self.map.entry(at).or_insert_with(|| Suspect { due: u64::MAX, ..Suspect::default() });
        let before = suspect.scanning();
        suspect.told = suspect.told.with(told);
        self.scanned += usize::from(!before && suspect.scanning());
        let due = when.after(now);
        if due < suspect.due {
            self.schedule(at, when, now);
        }
        self.map.entry(at).or_default()
    }

    /// Looks at a suspected entry by then, whatever was due before.
    pub fn schedule(&mut self, at: u32, when: When, now: u64) {
        let Some(suspect) = self.map.get_mut(&at) else { return };
        suspect.due = when.after(now);
        match when {
            When::Now => self.now.push_back(at),
            When::Soon => self.soon.push_back((suspect.due, at)),
            When::Later => self.later.push_back((suspect.due, at)),
        }
    }

    /// Those that are due, each once, and which have no look under way; not more than may be looked at now. Where the
    /// file system hangs, looks that are not answered are no reason to wait.
    pub fn take_due(&mut self, now: u64, hangs: bool) -> Vec<u32> {
        for queue in [&mut self.soon, &mut self.later] {
            while queue.front().is_some_and(|&(when, _)| when <= now) {
                self.now.extend(queue.pop_front().map(|(_, at)| at));
            }
        }
        let room = if hangs { usize::MAX } else { AT_ONCE.saturating_sub(self.looking) };
        let mut due = Vec::new();
        while due.len() < room
            && let Some(at) = self.now.pop_front()
        {
            let Some(suspect) = self.map.get_mut(&at).filter(|suspect| suspect.due <= now) else { continue };
            suspect.due = u64::MAX;
            if suspect.looking.is_none() {
                due.push(at);
            }
        }
        due
    }

    /// Notes that a look at this entry is under way.
    pub fn sent(&mut self, at: u32, tag: u32) {
        if let Some(suspect) = self.map.get_mut(&at) {
            self.looking += usize::from(suspect.looking.is_none());
            suspect.looking = Some((tag, suspect.told));
            suspect.told = Told::default();
        }
    }

    /// The answer to look `tag` has come. Gives what was told before it, and ends the suspicion unless more was told
    /// since. None if that look is not what is awaited.
    pub fn answered(&mut self, at: u32, tag: u32) -> Option<Told> {
        let suspect = self.map.get_mut(&at)?;
        let (awaited, told) = suspect.looking?;
        if awaited != tag {
            return None;
        }
        let before = suspect.scanning();
        suspect.looking = None;
        self.looking -= 1;
        if suspect.told == Told::default() {
            self.map.remove(&at);
            self.scanned -= usize::from(before);
        } else {
            self.scanned -= usize::from(before && !suspect.scanning());
            if suspect.due == u64::MAX {
                suspect.due = 0;
                self.now.push_back(at);
            }
        }
        Some(told)
    }

    /// The answer to look `tag` is of no use: what was told before it counts again, and is looked at by then.
    pub fn again(&mut self, at: u32, tag: u32, when: When, now: u64) {
        let Some(suspect) = self.map.get_mut(&at) else { return };
        if let Some((awaited, told)) = suspect.looking
            && awaited == tag
        {
            suspect.looking = None;
            self.looking -= 1;
            suspect.told = suspect.told.with(told);
            self.schedule(at, when, now);
        }
    }

    /// Whether the kernel told anything of it, before the look under way or since.
    pub fn told_live(&self, at: u32) -> bool {
        self.map.get(&at).is_some_and(|suspect| suspect.all_told().live())
    }

    /// The answer to look `tag` tells nothing, and will not soon: looked at later, for what the kernel told alone.
    pub fn keep_live(&mut self, at: u32, tag: u32, now: u64) {
        let Some(suspect) = self.map.get_mut(&at) else { return };
        let before = suspect.scanning();
        if let Some((awaited, told)) = suspect.looking
            && awaited == tag
        {
            suspect.looking = None;
            self.looking -= 1;
            suspect.told = suspect.told.with(told).without(Told::SCAN);
            self.scanned -= usize::from(before);
            self.schedule(at, When::Later, now);
        }
    }

    /// The entry has another folder or name now: a look under way is about the old one, so it is asked again.
    pub fn relocated(&mut self, at: u32) {
        if let Some(suspect) = self.map.get_mut(&at)
            && let Some((_, told)) = suspect.looking.take()
        {
            self.looking -= 1;
            suspect.told = suspect.told.with(told);
            suspect.due = 0;
            self.now.push_back(at);
        }
    }

    /// Ends the suspicion: the entry is gone.
    pub fn forget(&mut self, at: u32) -> Option<Suspect> {
        let gone = self.map.remove(&at)?;
        self.scanned -= usize::from(gone.scanning());
        self.looking -= usize::from(gone.looking.is_some());
        Some(gone)
    }

    /// The next moment at which one is due.
    pub fn deadline(&self) -> Option<u64> {
        if !self.now.is_empty() && self.looking < AT_ONCE {
            return Some(0);
        }
        let heads = [self.soon.front(), self.later.front()];
        heads.into_iter().flatten().map(|&(when, _)| when).min()
    }
}

impl Suspect {
    /// What was told, before the look under way and since.
    fn all_told(&self) -> Told {
        self.looking.map_or(self.told, |(_, told)| self.told.with(told))
    }

    /// Whether a reconcile waits for it.
    fn scanning(&self) -> bool {
        self.told.any(Told::SCAN) || self.looking.is_some_and(|(_, told)| told.any(Told::SCAN))
    }
}
