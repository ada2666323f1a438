//! Commands as the runner has them: those that run, those that wait for one of them to end, and how they end.

use std::collections::VecDeque;

use fsmon_core::io::{Input, RunEnded, RunId, SpawnRequest};
use fsmon_protocol::event::EventKind;
use fsmon_protocol::run::Outcome;
use fsmon_protocol::spec::{Dedupe, Mode};

use super::{Daemon, Given};
use crate::disk::Disk;

impl Daemon {
    /// A command has its place.
    pub(super) fn begin(&mut self, request: &SpawnRequest) {
        let given = given(request);
        if self.sort.dedupe != Dedupe::Off {
            // Should this run fail, what was processed before says nothing.
            self.processed.retain(|path, _| given.iter().all(|file| file.path != *path));
        }
        let runs = |file: &Given| self.running.values().flatten().any(|other| other.path == file.path);
        assert!(!given.iter().any(runs), "two runs of one file at once: {request:?}");
        let alike = |other: &Given| self.sort.lanes && other.path[0] == given[0].path[0];
        let beside = self.running.values().flatten().any(alike);
        assert!(!beside, "seed {}: two of one lane: {request:?}\n{}", self.seed, self.story());
        self.running.insert(request.run, given);
    }

    /// Those that wait are not to begin, or only this one.
    pub(super) fn take_back(&mut self, only: Option<RunId>) {
        let waiting = std::mem::take(&mut self.waiting);
        let (taken, left): (VecDeque<_>, _) =
            waiting.into_iter().partition(|request| only.is_none_or(|only| request.run == only));
        self.taken_back.extend(taken.into_iter().map(|request| request.run));
        self.waiting = left;
    }

    /// Hears of one that was taken back.
    pub fn hear_taken_back(&mut self, disk: &Disk) -> bool {
        let Some(run) = self.taken_back.pop_front() else { return false };
        self.step(disk, Input::RunTakenBack(run));
        true
    }

    /// Notes which version each command that was just started is given.
    pub fn read_files(&mut self, disk: &Disk) {
        for file in self.running.values_mut().flatten().filter(|file| file.version == 0) {
            file.version = disk.resolve(&file.path).and_then(|i| disk.inodes.get(&i)).map_or(1, |i| i.version);
        }
    }

    /// Ends one run, well or not.
    pub fn end_run(&mut self, disk: &Disk, which: usize, well: bool) -> bool {
        let mut ids: Vec<u64> = self.running.keys().copied().collect();
        ids.sort_unstable();
        if ids.is_empty() {
            return false;
        }
        let run = ids[which % ids.len()];
        let given = self.running.remove(&run).unwrap();
        // A command that does not find its files fails.
        let gone = given.iter().any(|file| file.version == 1 && !file.deleted);
        let well = well && !gone;
        if well {
            self.processed.extend(given.into_iter().map(|file| (file.path, file.version)));
        }
        let outcome = match (self.sort.mode, well) {
            (Mode::Worker, true) => Outcome::Answered(fsmon_protocol::run::Answer::Ok, None),
            (Mode::Worker, false) => Outcome::WorkerFailed("exit 1".into()),
            (_, well) => Outcome::Exited(i32::from(!well)),
        };
        if let Some(next) = self.waiting.pop_front() {
            self.begin(&next);
        }
        let ms = if run.is_multiple_of(8) { 100 } else { 1 };
        let ended = RunEnded { run, outcome, ms, output_bytes: 0, output_dropped: 0 };
        // Or it is not even started.
        let unstarted = !well && self.sort.mode == Mode::Each;
        self.step(
            disk,
            match run % 3 {
                0 if unstarted && gone => Input::RunVanished(run),
                1 if unstarted => Input::RunPutOff(run, "no descriptors".into()),
                _ => Input::RunEnded(ended),
            },
        );
        true
    }
}

/// What a command is given.
fn given(request: &SpawnRequest) -> Vec<Given> {
    let file = |path: &[u8], kind| Given { path: path.to_vec(), deleted: kind == EventKind::Delete, version: 0 };
    match &request.manifest {
        Some(changes) => changes.iter().map(|c| file(&c.path.as_bytes()[b"/w/".len()..], c.kind)).collect(),
        None => vec![file(request.rel.as_bytes(), request.kind)],
    }
}
