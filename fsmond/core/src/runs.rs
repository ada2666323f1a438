//! The runs that are under way, over all watches: what each is for, and which files have one. It decides nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fsmon_protocol::RawPath;
use fsmon_protocol::event::EventKind;
use fsmon_protocol::fingerprint::Fingerprint;
use fsmon_protocol::run::Trigger;

use crate::io::{Change, NodeId, RunId, WatchId};

/// A run under way.
#[derive(Debug)]
pub struct Run {
    /// Its watch.
    pub watch: WatchId,
    /// Its watch's name.
    pub watch_name: Arc<str>,
    /// The file; the root where it is for more than one.
    pub node: NodeId,
    /// The file's absolute path when it was given out.
    pub path: RawPath,
    /// Its path relative to the root then.
    pub rel: RawPath,
    /// What happened to it.
    pub kind: EventKind,
    /// Its absolute path before a rename.
    pub from: Option<RawPath>,
    /// Why.
    pub trigger: Trigger,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The key of this version, or of these versions of these files.
    pub event_id: String,
    /// What was given out.
    pub seen: Option<Fingerprint>,
    /// Journal number of its start.
    pub seq: u64,
    /// Whether there is a place for it.
    pub placed: bool,
    /// Whether its start is durable. With a place it has begun then.
    pub recorded: bool,
    /// What it is for.
    pub aim: Aim,
}

/// What a run is for.
#[derive(Debug)]
pub enum Aim {
    /// One file, with a command of its own.
    File,
    /// One file, as a line to a worker.
    Line,
    /// Some files that are ready.
    Batch(Given),
    /// The whole watch, with all that changed.
    Watch(Given),
}

/// What a run for more than one file is given.
#[derive(Debug)]
pub struct Given {
    /// The files, in the order of the manifest.
    pub members: Vec<NodeId>,
    /// What happened to each.
    pub manifest: Arc<[Change]>,
}

impl Run {
    /// What it is given, where it is not for one file.
    pub fn given(&self) -> Option<&Given> {
        match &self.aim {
            Aim::File | Aim::Line => None,
            Aim::Batch(given) | Aim::Watch(given) => Some(given),
        }
    }

    /// Whether it is a batch of more than one, so that nobody can tell which of its files made it fail.
    pub fn shares_blame(&self) -> bool {
        matches!(&self.aim, Aim::Batch(given) if given.members.len() > 1)
    }

    /// The path it is told with, and how many files: the file alone, or the root or nothing with a number.
    pub fn told(&self) -> (Option<RawPath>, Option<u64>) {
        let path = Some(self.path.clone());
        match &self.aim {
            Aim::Batch(given) if given.members.len() > 1 => (None, Some(given.members.len() as u64)),
            Aim::Watch(given) => (path, Some(given.members.len() as u64)),
            Aim::File | Aim::Line | Aim::Batch(_) => (path, None),
        }
    }

    /// The paths of its files.
    fn paths(&self) -> impl Iterator<Item = &RawPath> {
        let given = self.given().map(|given| given.manifest.iter().map(|change| &change.path));
        let own = given.is_none().then_some(&self.path);
        given.into_iter().flatten().chain(own)
    }
}

/// All runs under way.
#[derive(Debug, Default)]
pub struct Runs {
    map: HashMap<RunId, Run>,
    /// How many places are taken by commands; the others are lines to workers.
    commands: usize,
    watches: HashMap<WatchId, OfWatch>,
}

/// Those of one watch.
#[derive(Debug, Default)]
struct OfWatch {
    runs: u32,
    /// How many of them have a place.
    placed: u32,
    paths: HashSet<RawPath>,
}

impl Runs {
    /// One more.
    pub fn insert(&mut self, id: RunId, run: Run) {
        let watch = self.watches.entry(run.watch).or_default();
        watch.runs += 1;
        watch.paths.extend(run.paths().cloned());
        if run.placed {
            watch.placed += 1;
            self.commands += usize::from(!matches!(run.aim, Aim::Line));
        }
        self.map.insert(id, run);
    }

    /// There is a place for it now. Returns whether it is recorded, so that it begins.
    pub fn place(&mut self, id: RunId) -> bool {
        let Some(mut run) = self.remove(id) else { return false };
        run.placed = true;
        let recorded = run.recorded;
        self.insert(id, run);
        recorded
    }

    /// It has ended.
    pub fn remove(&mut self, id: RunId) -> Option<Run> {
        let run = self.map.remove(&id)?;
        self.commands -= usize::from(run.placed && !matches!(run.aim, Aim::Line));
        if let Some(watch) = self.watches.get_mut(&run.watch) {
            watch.runs -= 1;
            watch.placed -= u32::from(run.placed);
            for path in run.paths() {
                watch.paths.remove(path);
            }
            if watch.runs == 0 {
                self.watches.remove(&run.watch);
            }
        }
        Some(run)
    }

    /// One of them.
    pub fn get(&self, id: RunId) -> Option<&Run> {
        self.map.get(&id)
    }

    /// One of them, to note that it is recorded.
    pub fn get_mut(&mut self, id: RunId) -> Option<&mut Run> {
        self.map.get_mut(&id)
    }

    /// How many places commands take. What is with workers does not count.
    pub fn commands(&self) -> usize {
        self.commands
    }

    /// How many places a watch takes.
    pub fn count(&self, watch: WatchId) -> u32 {
        self.watches.get(&watch).map_or(0, |watch| watch.placed)
    }

    /// Whether a run was given the file at this path.
    pub fn has(&self, watch: WatchId, path: &RawPath) -> bool {
        self.watches.get(&watch).is_some_and(|watch| watch.paths.contains(path))
    }

    /// Those of a watch, in order.
    pub fn of(&self, watch: WatchId) -> Vec<RunId> {
        let mut ids: Vec<_> = self.map.iter().filter(|(_, run)| run.watch == watch).map(|(&id, _)| id).collect();
        ids.sort_unstable();
        ids
    }

    /// Gives a batch fewer files than it was made of.
    pub fn narrow(&mut self, id: RunId, given: Given) {
        let Some(mut run) = self.remove(id) else { return };
        run.aim = Aim::Batch(given);
        self.insert(id, run);
    }
}
