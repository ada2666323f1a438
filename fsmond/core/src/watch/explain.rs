//! What a watch knows of one path: which rule lets it in or keeps it out, where it stands, what it waits for. Must never
//! change anything, and never look: what is on disk comes in with the question.

use std::sync::Arc;

use fsmon_protocol::RawPath;
use fsmon_protocol::event::EventKind;
use fsmon_protocol::explain::{Explained, OnDisk, Rule, Ruling, RunsNot, Waits};
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::status::GapInfo;
use fsmon_protocol::units::Timestamp;

use super::complete::{Wait, waits_for};
use super::looks::facts_of;
use super::mounts::below;
use super::pending::{Pending, Stage};
use super::settle::evidence;
use super::{Root, Watch};
use crate::filter::Decision;
use crate::ignores;
use crate::io::{Covering, FolderProblem, Now, Sighting, Stat};
use crate::judge::{Facts, Told, Verdict, judge};
use crate::shared::Shared;
use crate::tree::{Flags, ROOT};

impl Watch {
    /// Whether it covers this absolute path, as its root is named or as it is without symbolic links.
    pub fn covering(&self, path: &RawPath, now: Now) -> Option<Covering> {
        let real = match &self.root {
            Root::Open(facts) => below(facts.real.as_bytes(), path.as_bytes()),
            _ => None,
        };
        let rel = below(self.root_path.as_bytes(), path.as_bytes()).or(real)?;
        let rel = rel.strip_prefix(b"/").unwrap_or(rel);
        if self.only.as_ref().is_some_and(|only| **only != *rel) {
            return None;
        }
        let pending = self.tree.resolve(rel).and_then(|at| self.pending.get(at));
        Some(Covering {
            watch: self.id,
            root: self.root_path.clone(),
            rel: RawPath::from(rel),
            stuck: self.asked.stuck(now.mono),
            check: pending.is_some_and(|p| matches!(p.stage, Stage::Settling | Stage::Checking)),
        })
    }

    /// Whether what it watches is below this absolute path.
    pub fn is_below(&self, path: &RawPath) -> bool {
        below(path.as_bytes(), self.spec.path.as_bytes()).is_some()
    }

    /// What it knows of the path `rel` below its root, and the place of that in the tree.
    pub fn explain(&self, rel: &RawPath, seen: &Sighting, shared: &Shared, now: Now) -> (Option<u32>, Explained) {
        let rel = rel.as_bytes();
        let whole = whole(rel, seen);
        let at = self.tree.resolve(rel).filter(|&at| at == ROOT || self.is_told(at));
        let known = at.filter(|&at| self.tree.node(at).has(Flags::KNOWN)).map(|at| self.tree.node(at).file_type);
        let ruling = self.ruling(rel, seen);
        let file = at.filter(|&at| at != ROOT && self.tree.node(at).file_type == FileType::File);
        let pending = file.and_then(|at| self.pending.get(at));
        let path = self.root_path.join(rel);
        let (run, again) = match pending.map(|p| self.stage_told(p, &shared.runs)) {
            Some(Stage::Running(run, again)) => (Some(run), again),
            _ => (None, false),
        };
        let explained = Explained {
            watch: Arc::clone(&self.name),
            root: RawPath::from(self.spec.path.as_str()),
            disk: self.on_disk(rel, seen, at.filter(|_| known.is_some()), ruling.rule),
            known,
            hidden: at.is_some_and(|at| self.tree.node(at).has(Flags::HIDDEN)),
            moving: self.is_moving(&path),
            unsettled: self.compares() || !self.settled(self.nearest_known(rel)),
            file: file.map(|at| self.file_info(at, now, &shared.runs)),
            waits: file.zip(pending).map_or_else(Vec::new, |(at, p)| self.waits(at, p, whole, shared, now)),
            run,
            again,
            runs_not: self.runs_not(rel, pending, whole, known).or_else(|| {
                let unchanged = pending.is_none() && file.is_some_and(|at| self.processed.is_unchanged(at));
                unchanged.then_some(RunsNot::Unchanged)
            }),
            kinds: self.rules.kinds.clone(),
            retries: self.rules.retries,
            by_many: self.runs_once() || self.batches(),
            defined_by: self.defined_by,
            added: self.added,
            last: None,
            processed: None,
            state: self.state(now),
            details: self.details(now),
            gaps: self.open_gaps_at(&path),
            next_due: self.clocks.next_due_wall(now),
            ruling,
            path,
        };
        (at, explained)
    }

    /// Whether the ledger says anything of an entry.
    fn is_told(&self, at: u32) -> bool {
        let node = self.tree.node(at);
        node.has(Flags::KNOWN) || node.has(Flags::PENDING)
    }

    fn nearest_known(&self, rel: &[u8]) -> u32 {
        let mut at = ROOT;
        for name in names(rel) {
            match self.tree.lookup(at, name) {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }

    fn is_moving(&self, path: &RawPath) -> bool {
        let before = self.limbo.iter().filter_map(|limbo| self.path_before(limbo.from()));
        before.into_iter().any(|before| below(before.as_bytes(), path.as_bytes()).is_some())
    }

    fn open_gaps_at(&self, path: &RawPath) -> Vec<GapInfo> {
        let here = self.gaps.iter().filter(|gap| below(gap.scope.as_bytes(), path.as_bytes()).is_some());
        here.map(|gap| self.gap_info(gap)).collect()
    }

    /// The first rule on the way from the root that keeps it out, or the one that lets it in.
    fn ruling(&self, rel: &[u8], seen: &Sighting) -> Ruling {
        let ruling = |rule, pattern: Option<&str>, upto: usize| Ruling {
            rule,
            pattern: pattern.map(str::to_owned),
            at: self.root_path.join(&rel[..upto]),
            line: None,
        };
        let (mut decision, mut at, mut end) = (None, Some(ROOT), 0);
        for (index, name) in names(rel).enumerate() {
            end += name.len() + usize::from(index > 0);
            let folder = at;
            at = at.and_then(|at| self.tree.lookup(at, name));
            let last = end == rel.len();
            let stat = seen.names.get(index);
            let file_type = stat.map(|stat| stat.file_type);
            let file_type =
                file_type.or_else(|| at.filter(|&at| self.is_told(at)).map(|at| self.tree.node(at).file_type));
            let dir = file_type.map_or(!last, |it| it == FileType::Dir);
            if stat.is_some_and(|stat| stat.own) {
                return ruling(Rule::Own, None, end);
            }
            if !last && !dir {
                return ruling(Rule::Through, None, end);
            }
            let here = &rel[..end];
            let depth = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
            let decided = if dir { self.filter.decide_folder(here, depth) } else { self.filter.decide_file(here) };
            // A watch of one file asks no filter.
            let decided = if self.only.is_some() { Decision { rule: Rule::All, ..decided } } else { decided };
            if !decided.rule.lets_in() {
                return ruling(decided.rule, decided.pattern, decided.upto);
            }
            if let Some(ignored) = self.ignoring(folder, here, dir) {
                return ignored;
            }
            decision = Some(decided);
        }
        if seen.end == Err(FolderProblem::PseudoFileSystem) {
            return ruling(Rule::Pseudo, None, rel.len());
        }
        decision.map_or_else(|| ruling(Rule::All, None, 0), |by| ruling(by.rule, by.pattern, by.upto))
    }

    /// What ignores a path in this folder, if anything does.
    fn ignoring(&self, folder: Option<u32>, rel: &[u8], dir: bool) -> Option<Ruling> {
        let (folder, name) = (folder.filter(|_| self.heeds_ignores())?, names(rel).last()?);
        let ruling = |pattern: &[u8], line| Ruling {
            rule: Rule::Gitignore,
            pattern: Some(String::from_utf8_lossy(pattern).into_owned()),
            at: self.root_path.join(rel),
            line,
        };
        if name == ignores::GIT {
            return Some(ruling(ignores::GIT, None));
        }
        let (at, file, _) = self.ignored_by(folder, rel, dir, |at| self.ignores.get(at)).filter(|by| by.2)?;
        let from = if at == ROOT { 0 } else { self.tree.path(at).len() + 1 };
        let (number, line) = file.line(rel.get(from..)?, dir)?;
        Some(ruling(line, Some((self.ignores_path(at), number))))
    }

    fn on_disk(&self, rel: &[u8], seen: &Sighting, known: Option<u32>, rule: Rule) -> OnDisk {
        let through = || {
            let last = seen.names.last().filter(|stat| stat.file_type != FileType::Dir)?;
            let upto = names(rel).take(seen.names.len()).collect::<Vec<_>>().join(&b'/');
            Some(OnDisk::Through(last.file_type, self.root_path.join(&upto)))
        };
        match (whole(rel, seen), &seen.end) {
            (Some(stat), _) => {
                let file = stat.file_type == FileType::File && rule.lets_in();
                OnDisk::Here {
                    file_type: stat.file_type,
                    size: file.then_some(stat.fingerprint.size),
                    mtime: file.then_some(Timestamp(stat.fingerprint.mtime)),
                    as_known: known.map(|at| self.is_as_known(at, stat)),
                }
            }
            (None, Ok(())) if rel.is_empty() => {
                OnDisk::Here { file_type: FileType::Dir, size: None, mtime: None, as_known: None }
            }
            (None, Ok(()) | Err(FolderProblem::Gone)) => through().unwrap_or(OnDisk::Missing),
            (None, Err(FolderProblem::NotPermitted)) => OnDisk::Unknown("permission denied".to_owned()),
            (None, Err(FolderProblem::PseudoFileSystem)) => OnDisk::Unknown("a pseudo file system".to_owned()),
            (None, Err(FolderProblem::Other(why))) => OnDisk::Unknown(why.clone()),
        }
    }

    fn is_as_known(&self, at: u32, stat: &Stat) -> bool {
        let node = self.tree.node(at);
        let known = Facts { file_type: node.file_type, ident: node.ident, ctime: node.ctime };
        judge(Some(known), Some(facts_of(stat)), Told::SCAN) == Verdict::Same
    }

    fn runs_not(
        &self,
        rel: &[u8],
        pending: Option<&Pending>,
        whole: Option<&Stat>,
        known: Option<FileType>,
    ) -> Option<RunsNot> {
        let name = names(rel).last().unwrap_or_default();
        let file_type = whole.map(|stat| stat.file_type).or(known);
        let seen = whole.map(|stat| stat.fingerprint).or_else(|| pending.and_then(|p| p.seen));
        if rel.is_empty() || file_type.is_some_and(|it| it != FileType::File) {
            Some(RunsNot::NotAFile)
        } else if self.rules.command.is_empty() {
            Some(RunsNot::NoCommand)
        } else if self.filter.is_ready_file(name) {
            Some(RunsNot::ReadyFile)
        } else if seen.is_some_and(|seen| !self.filter.size_ok(seen.size)) {
            Some(RunsNot::Size)
        } else {
            None
        }
    }

    /// What a pending file waits for, in the order in which it would have to come.
    fn waits(&self, at: u32, pending: &Pending, whole: Option<&Stat>, shared: &Shared, now: Now) -> Vec<Waits> {
        let (mut waits, stage) = (Vec::new(), self.stage_told(pending, &shared.runs));
        match stage {
            Stage::Running(..) | Stage::Leaving => return waits,
            Stage::Failed => return vec![Waits::Retry],
            Stage::Settling | Stage::Paced | Stage::Checking | Stage::Ready | Stage::Backoff => {}
        }
        if shared.stopping {
            waits.push(Waits::Stop);
        }
        if !matches!(self.root, Root::Open(_)) {
            waits.push(Waits::Root);
        }
        waits.extend(self.held.as_ref().map(|held| Waits::Decision(held.why.clone())));
        if self.tree.node(at).has(Flags::HIDDEN) {
            waits.push(Waits::Mount);
        } else {
            match stage {
                Stage::Settling => waits.extend(self.settling_waits(at, pending, whole, now)),
                Stage::Checking => waits.push(Waits::Look),
                Stage::Paced => waits.push(Waits::Pace),
                Stage::Backoff => waits.push(Waits::Backoff),
                _ => {}
            }
        }
        if stage != Stage::Ready
            && pending.kind != EventKind::Delete
            && let Some((folder, name)) = self.missing_ready_file(at)
        {
            waits.push(Waits::ReadyFile(self.absolute(folder).join(&name)));
        }
        if self.paused {
            waits.push(Waits::Resume);
        }
        waits.extend(self.looping.clone().map(Waits::Decision));
        waits.extend(self.breaker.waits(now));
        waits.extend(shared.store_error.clone().map(Waits::Store));
        if self.runs_once() {
            waits.push(Waits::Occurrence);
        } else if stage == Stage::Ready && waits.is_empty() {
            waits.push(self.place_waits(at, shared));
        }
        waits
    }

    /// Why a file is not known to be complete.
    fn settling_waits(&self, at: u32, pending: &Pending, whole: Option<&Stat>, now: Now) -> Vec<Waits> {
        let wait = whole.and_then(|stat| waits_for(&self.rules, &evidence(pending, stat, now)));
        let quiet = pending.due != u64::MAX && pending.due > now.mono;
        match wait {
            Some(Wait::Writer(_)) => vec![Waits::Writer],
            Some(Wait::Same(_)) => vec![Waits::Same],
            Some(Wait::Age(_)) => vec![Waits::Age],
            None if self.tree.node(at).has(Flags::OPEN) => vec![Waits::Close],
            None if quiet => vec![Waits::Quiet],
            None => Vec::new(),
        }
    }

    /// Whether the file has a place, and waits only until that is recorded.
    fn has_place_of_its_own(&self, at: u32, shared: &Shared) -> bool {
        match self.pending.get(at).map(|pending| pending.stage) {
            Some(Stage::Running(run, _)) => shared.runs.get(run).is_some_and(|run| run.placed) && !self.is_lent(run),
            _ => false,
        }
    }

    /// Why one that is ready was not started yet.
    fn place_waits(&self, at: u32, shared: &Shared) -> Waits {
        if let Some(before) = self.pending.lanes.before(at) {
            return Waits::Lane(self.absolute(before));
        }
        if self.has_place_of_its_own(at, shared) {
            return Waits::Turn;
        }
        if self.has_workers() {
            match self.places() {
                0 => Waits::Workers(self.rules.concurrency),
                most if shared.runs.count(self.id) >= most => Waits::Place(most),
                _ => Waits::Turn,
            }
        } else if shared.runs.count(self.id) >= self.rules.concurrency {
            Waits::Place(self.rules.concurrency)
        } else if !shared.has_room() {
            Waits::PlaceInAll(shared.max_runs)
        } else if self.batches() {
            Waits::Others(self.rules.batch_max)
        } else {
            Waits::Turn
        }
    }
}

/// What is at the path itself, where that was seen.
fn whole<'a>(rel: &[u8], seen: &'a Sighting) -> Option<&'a Stat> {
    let count = names(rel).count();
    seen.names.get(count.checked_sub(1)?)
}

fn names(rel: &[u8]) -> impl Iterator<Item = &[u8]> {
    rel.split(|&b| b == b'/').filter(|name| !name.is_empty())
}
