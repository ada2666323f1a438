//! A thousand random sequences of operations, stops and crashes against a model in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use fsmon_core::io::{NodeRow, RunRow};
use fsmon_protocol::run::RunStatus;

use super::samples::{self, Dice, every_record, run_end, run_start};
use super::*;
use crate::edges::{History, RunsQuery};

#[derive(Default)]
struct Model {
    journal: Vec<JournalRow>,
    watches: BTreeMap<u32, WatchRow>,
    nodes: BTreeMap<(u32, u32), NodeRow>,
    ignores: BTreeMap<(u32, u32), Vec<u8>>,
    runs: BTreeMap<u64, (RunRow, RunStatus)>,
}

impl Model {
    fn apply(&mut self, operation: &StoreOp) {
        match operation {
            StoreOp::Record(row) => self.journal.push(row.clone()),
            StoreOp::RunStart(row) => {
                self.runs.insert(row.run, (row.clone(), RunStatus::Started));
            }
            StoreOp::RunEnd(end) => {
                if let Some(run) = self.runs.get_mut(&end.run) {
                    run.1 = end.status;
                }
            }
            StoreOp::Checkpoint(checkpoint) => {
                let id = checkpoint.watch.id.0;
                for index in &checkpoint.freed {
                    self.nodes.remove(&(id, *index));
                }
                for row in &checkpoint.rows {
                    let before = self.nodes.get(&(id, row.index)).and_then(|stored| stored.seen);
                    let row = NodeRow { seen: row.seen.or(before), ..row.clone() };
                    self.nodes.insert((id, row.index), row);
                }
                for (index, file) in &checkpoint.ignores {
                    match file {
                        Some(file) => drop(self.ignores.insert((id, *index), file.text().to_vec())),
                        None => drop(self.ignores.remove(&(id, *index))),
                    }
                }
                self.watches.insert(id, checkpoint.watch.clone());
            }
            StoreOp::Watch(row) => {
                let upto = self.watches.get(&row.id.0).map_or(row.upto, |stored| stored.upto);
                self.watches.insert(row.id.0, WatchRow { upto, ..WatchRow::clone(row) });
            }
            StoreOp::WatchRemoved(id) => {
                self.watches.remove(&id.0);
                self.nodes.retain(|(watch, _), _| *watch != id.0);
                self.ignores.retain(|(watch, _), _| *watch != id.0);
            }
            StoreOp::Detached { .. } | StoreOp::SaveWatches(_) => {}
        }
    }

    fn check(&self, opened: &Opened, sequence: u64) {
        assert_eq!(journal_of(&opened.store), self.journal, "sequence {sequence}");
        assert_eq!(opened.watches, self.watches.values().cloned().collect::<Vec<_>>(), "sequence {sequence}");
        for id in 1..5 {
            let expected: Vec<_> = self.nodes.range((id, 0)..(id + 1, 0)).map(|(_, row)| row.clone()).collect();
            assert_eq!(nodes_of(&opened.store, WatchId(id)), expected, "sequence {sequence}");
            let ignores = self.ignores.range((id, 0)..(id + 1, 0)).map(|(at, text)| (at.1, text.clone()));
            assert_eq!(opened.store.load_ignores(WatchId(id)).unwrap(), ignores.collect::<Vec<_>>());
        }
        let unfinished: Vec<_> =
            self.runs.values().filter(|r| r.1 == RunStatus::Started).map(|r| r.0.clone()).collect();
        assert_eq!(opened.store.unfinished_runs().unwrap(), unfinished, "sequence {sequence}");
    }
}

fn random(dice: &mut Dice, seq: &mut u64, run: &mut u64, records: &[JournalRow]) -> StoreOp {
    let id = 1 + u32::try_from(dice.below(4)).unwrap();
    match dice.below(8) {
        0..3 => {
            let mut row = dice.one(records);
            Arc::make_mut(&mut row.record).seq = *seq;
            Arc::make_mut(&mut row.record).time = samples::now();
            *seq += 1 + dice.below(3);
            StoreOp::Record(row)
        }
        3 => {
            *run += 1 + dice.below(3);
            StoreOp::RunStart(RunRow { started: samples::now(), ..run_start(*run - 1) })
        }
        4 => StoreOp::RunEnd(run_end(dice.below(*run), dice.one(&samples::STATUSES[1..]))),
        5 => StoreOp::Watch(Box::new(WatchRow { upto: dice.below(*seq), ..samples::watch(id) })),
        6 => {
            let upto = dice.below(*seq);
            StoreOp::Checkpoint(Box::new(samples::checkpoint(dice, id, upto)))
        }
        _ => StoreOp::WatchRemoved(WatchId(id)),
    }
}

#[test]
fn a_thousand_random_sequences_are_what_a_model_says() {
    let records = every_record();
    for sequence in 0..1000 {
        let mut dice = Dice(sequence * 7919 + 1);
        let mut model = Model::default();
        let dir = folder();
        for _ in 0..=dice.below(2) {
            let (opened, inbox) = open(dir.path());
            model.check(&opened, sequence);
            let (mut seq, mut run) = (opened.next_seq, opened.next_run);
            let (sender, fatal) = oneshot::channel();
            let (storing, reader) = opened.store.start(sender).unwrap();
            let mut running = Running { storing, reader, inbox, fatal, token: 0 };
            let mut last = None;
            for _ in 0..dice.below(6) {
                let batch: Vec<_> =
                    (0..=dice.below(12)).map(|_| random(&mut dice, &mut seq, &mut run, &records)).collect();
                for operation in &batch {
                    model.apply(operation);
                }
                last = Some(running.submit(batch));
            }
            if let Some(last) = last {
                running.wait_for(last);
            }
            let listed = wait(running.reader.runs(RunsQuery { watch: None, failed: false, max: 1000 })).unwrap();
            let listed: Vec<_> = listed.iter().rev().map(|r| (r.run, r.status)).collect();
            assert_eq!(listed, model.runs.iter().map(|(n, r)| (*n, r.1)).collect::<Vec<_>>());
            running.close();
        }
        model.check(&open(dir.path()).0, sequence);
    }
}
