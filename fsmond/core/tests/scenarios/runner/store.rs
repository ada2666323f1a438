//! What is durable, and what a new machine is made of.

use std::collections::BTreeMap;

use fsmon_core::io::{GapRow, JournalRow, Kept, NodeRow, RunId, RunRow, Settings, StoreOp, WatchId, WatchRow};
use fsmon_core::{Machine, Numbers};
use fsmon_protocol::event::{Gap, What};
use fsmon_protocol::spec::WatchSpec;
use fsmon_protocol::units::Timestamp;

/// What is durable.
#[derive(Default)]
pub struct Stored {
    rows: BTreeMap<WatchId, WatchRow>,
    nodes: BTreeMap<(WatchId, u32), NodeRow>,
    ignores: BTreeMap<(WatchId, u32), Vec<u8>>,
    specs: Vec<WatchSpec>,
    pub journal: Vec<JournalRow>,
    /// Gaps that are open; they outlive the journal.
    gaps: BTreeMap<u64, GapRow>,
    runs: BTreeMap<u64, (RunRow, bool)>,
    /// Watches that nothing defines any more, and since when.
    detached: BTreeMap<WatchId, Timestamp>,
}

impl Stored {
    /// A machine with all watches and their ledgers; the journal is still to be replayed.
    pub fn load(&self, settings: &Settings, reserved: u64) -> Result<Machine, String> {
        let watch = self.rows.keys().map(|id| id.0).max().unwrap_or(0) + 1;
        let numbers = Numbers { seq: reserved + 1, run: reserved, watch };
        let mut machine = Machine::new(settings.clone(), numbers, 7);
        for (&id, row) in &self.rows {
            let spec = self.specs.iter().find(|spec| *spec.name == *row.name);
            let spec = spec.ok_or(format!("the watch {} is stored without its spec", row.name))?;
            machine.add_stored(row.clone(), spec.clone()).map_err(|error| format!("{error:?}"))?;
            for (_, node) in self.nodes.range((id, 0)..=(id, u32::MAX)) {
                if !machine.restore(id, node.clone()) {
                    return Err(format!("a stored row makes no sense: {node:?}"));
                }
            }
            if machine.restored(id) != 0 {
                return Err("stored rows made no sense".to_owned());
            }
            for (&(_, at), text) in self.ignores.range((id, 0)..=(id, u32::MAX)) {
                machine.restore_ignores(id, at, text);
            }
        }
        self.gaps.values().cloned().for_each(|gap| machine.restore_gap(gap));
        Ok(machine)
    }

    /// Runs that began and of which no end is known.
    pub fn unended(&self) -> Vec<RunRow> {
        self.runs.values().filter(|(_, ended)| !ended).map(|(row, _)| row.clone()).collect()
    }

    /// Whether the start of this run is durable.
    pub fn has_start(&self, run: RunId) -> bool {
        self.runs.contains_key(&run)
    }

    fn note_gap(&mut self, watch: Option<WatchId>, gap: &Gap) -> Result<(), String> {
        let Gap { id, reason, since, .. } = *gap;
        let watch = watch.ok_or("a gap of no watch")?;
        let row = GapRow { id, watch, reason, scope: gap.scope.clone(), since };
        let known = if gap.closed { self.gaps.remove(&id) } else { self.gaps.insert(id, row.clone()) };
        match known {
            Some(known) if gap.closed && known == row => Ok(()),
            None if !gap.closed => Ok(()),
            other => Err(format!("a gap that is opened twice, or closed and was not open: {gap:?}, known: {other:?}")),
        }
    }

    /// What is kept of a watch of this name that nothing defines.
    pub fn kept(&self, name: &str) -> Option<Kept> {
        let (&id, &since) = self.detached.iter().rev().find(|(id, _)| *self.rows[id].name == *name)?;
        let row = self.rows[&id].clone();
        let nodes = self.nodes.range((id, 0)..=(id, u32::MAX)).map(|(_, node)| node.clone()).collect();
        let missing = |record: &&JournalRow| record.watch == Some(id) && record.record.seq > row.upto;
        let journal = self.journal.iter().filter(missing).cloned().collect();
        let ignores = self.ignores.range((id, 0)..=(id, u32::MAX)).map(|(&(_, at), text)| (at, text.clone())).collect();
        Some(Kept { row, since, nodes, ignores, journal })
    }

    /// Makes one operation durable.
    pub fn keep(&mut self, op: StoreOp) -> Result<(), String> {
        match op {
            StoreOp::Record(row) => {
                if let What::Gap(gap) = &row.record.what {
                    self.note_gap(row.watch, gap)?;
                }
                self.journal.push(row);
            }
            StoreOp::RunStart(row) => {
                self.runs.insert(row.run, (row, false));
            }
            StoreOp::RunEnd(end) => {
                let run = self.runs.get_mut(&end.run).ok_or(format!("a run ends that never began: {end:?}"))?;
                if std::mem::replace(&mut run.1, true) {
                    return Err(format!("a run ends twice: {end:?}"));
                }
            }
            StoreOp::Checkpoint(checkpoint) => {
                let watch = checkpoint.watch.id;
                self.rows.insert(watch, checkpoint.watch);
                for at in checkpoint.freed {
                    self.nodes.remove(&(watch, at));
                }
                for mut row in checkpoint.rows {
                    let old = self.nodes.get(&(watch, row.index)).and_then(|old| old.seen);
                    row.seen = row.seen.or(old);
                    if row.seen.is_none() && row.known {
                        return Err(format!("nobody knows what was seen: {row:?}"));
                    }
                    self.nodes.insert((watch, row.index), row);
                }
                for (at, file) in checkpoint.ignores {
                    match file {
                        Some(file) => drop(self.ignores.insert((watch, at), file.text().to_vec())),
                        None => drop(self.ignores.remove(&(watch, at))),
                    }
                }
            }
            StoreOp::Watch(row) => {
                self.detached.remove(&row.id);
                self.rows.insert(row.id, *row);
            }
            StoreOp::Detached { watch, since, .. } => {
                self.detached.insert(watch, since);
                self.gaps.retain(|_, gap| gap.watch != watch);
            }
            StoreOp::WatchRemoved(id) => {
                self.rows.remove(&id);
                self.nodes.retain(|&(watch, _), _| watch != id);
                self.ignores.retain(|&(watch, _), _| watch != id);
                self.gaps.retain(|_, gap| gap.watch != id);
            }
            StoreOp::SaveWatches(specs) => self.specs = specs,
        }
        Ok(())
    }
}
