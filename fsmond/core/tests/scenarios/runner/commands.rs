//! Commands as the runner has them: those that run, and those that wait for one of their watch to end.

use std::collections::{BTreeMap, VecDeque};

use fsmon_core::io::{SpawnRequest, WatchId};
use fsmon_protocol::RawPath;
use fsmon_protocol::run::Outcome;
use fsmon_protocol::spec::Mode;

/// All commands of a daemon.
#[derive(Default)]
pub struct Commands {
    /// With when each began.
    running: BTreeMap<u64, (Box<SpawnRequest>, u64)>,
    waiting: VecDeque<Box<SpawnRequest>>,
    taken_back: VecDeque<u64>,
}

impl Commands {
    /// Takes one that has no place yet. Gives it back if there is one.
    pub fn queue(&mut self, request: Box<SpawnRequest>) -> Option<Box<SpawnRequest>> {
        let taken = self.running.values().filter(|(other, _)| other.watch == request.watch).count();
        if request.rules.mode == Mode::Worker || taken < request.rules.concurrency as usize {
            return Some(request);
        }
        self.waiting.push_back(request);
        None
    }

    /// One begins. Refuses a second one of the same file.
    pub fn begin(&mut self, request: Box<SpawnRequest>, now: u64) -> Result<(), String> {
        let twice = |other: &SpawnRequest| paths(other).iter().any(|path| paths(&request).contains(path));
        if self.running.values().any(|(other, _)| other.watch == request.watch && twice(other)) {
            return Err(format!("two runs of one file at once: {request:?}"));
        }
        self.running.insert(request.run, (request, now));
        Ok(())
    }

    /// The one that runs for this file, or for a batch with it, ends: which it was, when it began, and which takes its place.
    pub fn end(&mut self, path: &str) -> Result<(u64, u64, Option<Box<SpawnRequest>>), String> {
        let is = |request: &SpawnRequest| {
            let own = request.root.join(request.rel.as_bytes());
            own.text() == path || paths(request).iter().any(|other| other.text() == path)
        };
        let found = self.running.iter().find(|(_, (request, _))| is(request)).map(|(&run, _)| run);
        let run = found.ok_or(format!("no command runs for {path}"))?;
        let (request, began) = self.running.remove(&run).ok_or("it was there")?;
        let next = self.waiting.iter().position(|next| next.watch == request.watch);
        Ok((run, began, next.and_then(|next| self.waiting.remove(next))))
    }

    /// Those of this watch that wait are not to begin, or only this one.
    pub fn take_back(&mut self, watch: WatchId, only: Option<u64>) {
        let waiting = std::mem::take(&mut self.waiting);
        let (taken, left): (VecDeque<_>, _) = waiting
            .into_iter()
            .partition(|request| request.watch == watch && only.is_none_or(|only| request.run == only));
        self.taken_back.extend(taken.into_iter().map(|request| request.run));
        self.waiting = left;
    }

    /// One that was taken back, once.
    pub fn next_taken_back(&mut self) -> Option<u64> {
        self.taken_back.pop_front()
    }

    /// The path of the file that one runs for.
    pub fn path(&self, run: u64) -> Option<String> {
        self.running.get(&run).map(|(request, _)| request.rel.text().into_owned())
    }
}

/// What comes of a command.
pub enum End {
    Ran(Outcome),
    /// It did not begin: its file was gone.
    Vanished,
    /// It did not begin: there were no descriptors.
    PutOff,
}

/// The files that a command is given.
fn paths(request: &SpawnRequest) -> Vec<RawPath> {
    match &request.manifest {
        Some(manifest) => manifest.iter().map(|change| change.path.clone()).collect(),
        None => vec![request.root.join(request.rel.as_bytes())],
    }
}
