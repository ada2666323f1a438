//! What goes in comes out.

use fsmon_core::io::{Checkpoint, NodeRow, RunEndRow, RunRow};
use fsmon_protocol::run::{Answer, Outcome, RunStatus};

use super::samples::{self, Dice, every_record, run_end, run_start};
use super::*;
use crate::edges::{History, RunsQuery};

#[test]
fn every_record_comes_back_as_it_was() {
    let dir = folder();
    let mut running = start_with(dir.path(), KEEP_ALL);
    let rows = every_record();
    running.store(rows.iter().cloned().map(StoreOp::Record).collect());
    running.close();
    let (opened, _inbox) = open(dir.path());
    assert_eq!(journal_of(&opened.store), rows);
    assert!(opened.clean && !opened.fresh && opened.notices.is_empty());
    let mut later = Vec::new();
    opened.store.replay(10, |row| later.push(row)).unwrap();
    assert_eq!(later, rows[10..]);
    assert_eq!(opened.next_seq, rows.len() as u64 + 1);
}

#[test]
fn ledgers_and_watches_come_back_as_they_were() {
    let dir = folder();
    let mut running = start(dir.path());
    let mut dice = Dice(5);
    let (one, two) = (samples::checkpoint(&mut dice, 1, 4), samples::checkpoint(&mut dice, 7, u64::from(u32::MAX)));
    let plain = samples::watch(3);
    running.store(vec![
        StoreOp::Checkpoint(Box::new(one.clone())),
        StoreOp::Checkpoint(Box::new(two.clone())),
        StoreOp::Watch(Box::new(plain.clone())),
        StoreOp::Watch(Box::new(samples::watch(9))),
        StoreOp::WatchRemoved(WatchId(9)),
    ]);
    running.close();
    let (opened, _inbox) = open(dir.path());
    assert_eq!(opened.watches, [one.watch, plain, two.watch]);
    assert_eq!(nodes_of(&opened.store, WatchId(1)), one.rows);
    assert_eq!(nodes_of(&opened.store, WatchId(7)), two.rows);
    assert_eq!(opened.next_watch, 10, "the number of a watch that was removed is not used again");
}

#[test]
fn a_fingerprint_that_is_not_given_stays_until_its_place_is_freed() {
    let dir = folder();
    let mut running = start(dir.path());
    let row = NodeRow { seen: Some(samples::fingerprint(7)), known: true, ..samples::node(&mut Dice(3), 5) };
    let later = NodeRow { seen: None, known: false, name: Box::from(&b"renamed"[..]), ..row.clone() };
    let checkpoint = |row: &NodeRow, freed| Checkpoint {
        watch: samples::watch(1),
        rows: vec![row.clone()],
        freed,
        ignores: Vec::new(),
    };
    running.store(vec![StoreOp::Checkpoint(Box::new(checkpoint(&row, Vec::new())))]);
    running.store(vec![StoreOp::Checkpoint(Box::new(checkpoint(&later, Vec::new())))]);
    running.close();
    let (opened, _inbox) = open(dir.path());
    assert_eq!(nodes_of(&opened.store, WatchId(1)), [NodeRow { seen: row.seen, ..later.clone() }]);
    drop(opened);
    let mut running = start(dir.path());
    running.store(vec![StoreOp::Checkpoint(Box::new(checkpoint(&later, vec![5])))]);
    running.close();
    assert_eq!(nodes_of(&open(dir.path()).0.store, WatchId(1)), [later]);
}

#[test]
fn runs_come_back_as_they_were() {
    let dir = folder();
    let mut running = start(dir.path());
    let outcomes = [
        None,
        Some(Outcome::Exited(-3)),
        Some(Outcome::Signalled(9)),
        Some(Outcome::TimedOut),
        Some(Outcome::Interrupted),
        Some(Outcome::NotStarted("no such\nfile".into())),
        Some(Outcome::Answered(Answer::Ok, None)),
        Some(Outcome::Answered(Answer::Retry, Some("no total".into()))),
        Some(Outcome::WorkerFailed("exit 1".into())),
    ];
    for (run, outcome) in (1..).zip(&outcomes) {
        let path = if run == 1 { None } else { Some(samples::ODD.into()) };
        let row = RunRow { path, attempt: u32::MAX, ..run_start(run) };
        let end = RunEndRow { outcome: outcome.clone(), ms: None, ..run_end(run, RunStatus::Failed) };
        running.store(vec![StoreOp::RunStart(row), StoreOp::RunEnd(end)]);
    }
    let unfinished = RunRow { path: None, files: Some(12), ..run_start(50) };
    running.store(vec![StoreOp::RunStart(unfinished.clone())]);
    let listed = wait(running.reader.runs(RunsQuery { watch: None, failed: false, max: 100 })).unwrap();
    assert_eq!(listed[0].status, RunStatus::Started);
    let told: Vec<_> = listed.iter().rev().map(|r| r.outcome.clone()).take(outcomes.len()).collect();
    assert_eq!(told, outcomes);
    assert_eq!(listed[outcomes.len()].path, None);
    assert_eq!((listed[outcomes.len() - 1].path.clone(), listed[5].attempt), (Some(samples::ODD.into()), u32::MAX));
    running.close();
    let (opened, _inbox) = open(dir.path());
    assert_eq!(opened.store.unfinished_runs().unwrap(), [unfinished]);
    assert_eq!(opened.next_run, 51);
}

#[test]
fn operations_nobody_waits_for_are_stored_too() {
    let dir = folder();
    let mut running = start(dir.path());
    running.storing.submit(vec![(StoreOp::Record(samples::event(1)), None)]);
    assert!(running.storing.backlog() <= 1);
    running.storing.submit(Vec::new());
    running.close();
    assert_eq!(journal_of(&open(dir.path()).0.store).len(), 1);
}
