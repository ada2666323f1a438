//! What goes and what stays.

use std::fs;
use std::sync::Arc;

use fsmon_core::io::{RunEndRow, RunRow};
use fsmon_protocol::event::{Gap, GapReason, What};
use fsmon_protocol::run::RunStatus;
use fsmon_protocol::spec::KeepRuns;
use fsmon_protocol::units::Timestamp;

use super::samples::{event, run_end, run_start, watch};
use super::*;
use crate::edges::{GapsQuery, History, JournalQuery, RunsQuery};

/// Waits until the journal and the runs are as they should be.
fn until(running: &mut Running, oldest: u64, runs: &[u64]) {
    let deadline = std::time::Instant::now() + LIMIT;
    loop {
        let page = wait(running.reader.journal(JournalQuery { max: 1, ..Default::default() })).unwrap();
        let listed = wait(running.reader.runs(RunsQuery { watch: None, failed: false, max: 100 })).unwrap();
        let listed: Vec<u64> = listed.iter().map(|r| r.run).collect();
        if page.oldest == oldest && listed == runs {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "oldest is {}, runs are {listed:?}", page.oldest);
        std::thread::yield_now();
    }
}

pub fn old(mut row: JournalRow) -> JournalRow {
    Arc::make_mut(&mut row.record).time = Timestamp(5);
    row
}

#[test]
fn old_records_and_runs_go_but_not_those_that_are_needed() {
    let dir = folder();
    let mut running = start_with(dir.path(), KEEP_ALL);
    running.store((1..=5000).map(|n| StoreOp::Record(old(event(n)))).collect());
    running.store(vec![
        StoreOp::Watch(Box::new(WatchRow { upto: 4000, ..watch(1) })),
        StoreOp::Watch(Box::new(WatchRow { upto: 4500, ..watch(2) })),
    ]);
    let file = |run: u64| dir.path().join("output").join(run.to_string());
    for run in 1..=4 {
        fs::write(file(run), vec![b'x'; 5000]).unwrap();
        let started = if run == 4 { samples::now() } else { Timestamp(5) };
        running.store(vec![StoreOp::RunStart(RunRow { started, ..run_start(run) })]);
        if run != 2 {
            running.store(vec![StoreOp::RunEnd(RunEndRow { output_bytes: 5000, ..run_end(run, RunStatus::Ok) })]);
        }
    }
    running.close();
    // The first step comes at once after the start.
    let mut running = start(dir.path());
    until(&mut running, 4001, &[4, 2]);
    assert!(!file(1).exists() && file(2).exists() && !file(3).exists() && file(4).exists());
    running.store(vec![StoreOp::WatchRemoved(WatchId(1)), StoreOp::WatchRemoved(WatchId(2))]);
    running.close();
    let mut running = start(dir.path());
    until(&mut running, 5000, &[4, 2]);
    running.close();
}

#[test]
fn a_watch_keeps_so_many_runs_or_those_of_so_long_and_others_keep_theirs() {
    let dir = folder();
    let mut running = start_with(dir.path(), KEEP_ALL);
    let keeps = |id, kept: &str| {
        let row = WatchRow { keep_runs: Some(kept.parse::<KeepRuns>().unwrap()), ..watch(id) };
        StoreOp::Watch(Box::new(row))
    };
    running.store(vec![keeps(1, "3"), keeps(2, "1h"), StoreOp::Watch(Box::new(watch(3)))]);
    let file = |run: u64| dir.path().join("output").join(run.to_string());
    for run in 1..=18 {
        let ago = Duration::from_secs(if run <= 9 { 7200 } else { 0 });
        let started = samples::now().minus(ago);
        let row = RunRow { watch: WatchId(1 + (run % 3) as u32), started, ..run_start(run) };
        fs::write(file(run), vec![b'x'; 5000]).unwrap();
        running.store(vec![StoreOp::RunStart(row)]);
        // The first of each of the first two is never ended.
        if run != 3 && run != 1 {
            running.store(vec![StoreOp::RunEnd(RunEndRow { output_bytes: 5000, ..run_end(run, RunStatus::Ok) })]);
        }
    }
    running.close();
    let mut running = start_with(dir.path(), KEEP_ALL);
    // Of watch 1 the unfinished one and the newest three, of watch 2 the unfinished one and those of late, of watch 3 all.
    until(&mut running, 0, &[18, 17, 16, 15, 14, 13, 12, 11, 10, 8, 5, 3, 2, 1]);
    assert!(file(18).exists() && file(3).exists() && file(2).exists() && !file(6).exists() && !file(4).exists());
    running.close();
}

#[test]
fn what_is_kept_stays_within_its_bytes_and_so_does_the_file() {
    let dir = folder();
    let options = StoreOptions { keep_bytes: 1 << 20, ..Default::default() };
    let mut running = start_with(dir.path(), options);
    let size = || fs::metadata(dir.path().join("fsmond.db")).unwrap().len();
    for batch in 0..60 {
        running.store((1..=5000).map(|n| StoreOp::Record(event(batch * 5000 + n))).collect());
    }
    let page = wait(running.reader.journal(JournalQuery { max: 1, ..Default::default() })).unwrap();
    assert!(page.oldest > 200_000, "{}", page.oldest);
    running.close();
    assert!(size() < 8 << 20, "{}", size());
    let (opened, _inbox) = open_with(dir.path(), options);
    assert!(opened.clean);
    let counted = Volume::load(&opened.store.conn, false).unwrap();
    assert_eq!(opened.store.volume, counted, "what was reckoned is what is there");
}

#[test]
fn much_output_takes_old_runs_and_not_the_newer_journal() {
    let dir = folder();
    let options = StoreOptions { keep_bytes: 100_000, ..Default::default() };
    let mut running = start_with(dir.path(), options);
    running.store(vec![StoreOp::Record(event(1))]);
    for run in 1..=20 {
        let path = dir.path().join("output").join(run.to_string());
        fs::write(path, vec![b'x'; 10_000]).unwrap();
        running.store(vec![StoreOp::RunStart(run_start(run))]);
        running.store(vec![StoreOp::RunEnd(RunEndRow { output_bytes: 10_000, ..run_end(run, RunStatus::Ok) })]);
    }
    running.store(vec![StoreOp::Record(event(2))]);
    running.close();
    let mut running = start_with(dir.path(), options);
    until(&mut running, 2, &[20, 19, 18, 17, 16, 15, 14, 13, 12]);
    assert_eq!(fs::read_dir(dir.path().join("output")).unwrap().count(), 9);
    running.close();
}

#[test]
fn after_a_crash_output_that_belongs_to_no_run_goes() {
    let dir = folder();
    let mut running = start(dir.path());
    let file = |name: &str| dir.path().join("output").join(name);
    running.store(vec![StoreOp::RunStart(run_start(1)), StoreOp::RunStart(run_start(2))]);
    for name in ["1", "2", "3", "not a number"] {
        fs::write(file(name), b"something").unwrap();
    }
    // As a crash between the commit and the removal of the file would leave it.
    let end = RunEndRow { output_bytes: 9, ..run_end(2, RunStatus::Ok) };
    running.store(vec![StoreOp::RunEnd(end)]);
    running.close();
    fs::write(file("2"), b"something").unwrap();
    let conn = Connection::open(dir.path().join("fsmond.db")).unwrap();
    conn.execute("UPDATE meta SET value = 0 WHERE key = 'clean'", ()).unwrap();
    drop(conn);
    let running = start(dir.path());
    let deadline = std::time::Instant::now() + LIMIT;
    while file("2").exists() || file("3").exists() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert!(file("1").exists() && file("not a number").exists());
    running.close();
}

#[test]
fn an_open_gap_outlives_the_journal_and_a_restart_until_it_is_closed() {
    let dir = folder();
    let mut running = start_with(dir.path(), KEEP_ALL);
    let gap = |seq: u64, id: u64, found: Option<u64>| {
        let what = What::Gap(Gap {
            reason: GapReason::Overflow,
            scope: "/r".into(),
            closed: found.is_some(),
            found,
            id,
            since: Timestamp(3),
        });
        let mut row = old(event(seq));
        Arc::make_mut(&mut row.record).what = what;
        StoreOp::Record(row)
    };
    running.store(vec![StoreOp::Watch(Box::new(WatchRow { upto: 9, ..watch(1) })), gap(1, 1, None), gap(2, 2, None)]);
    running.store(vec![gap(3, 2, Some(7))]);
    let list = |running: &Running| -> Vec<(u64, Option<u64>)> {
        let query = GapsQuery { watch: None, max: 10 };
        wait(running.reader.gaps(query)).unwrap().iter().map(|gap| (gap.id, gap.found)).collect()
    };
    assert_eq!(list(&running), [(1, None), (2, Some(7))], "the open ones first");
    running.store((4..=9).map(|n| StoreOp::Record(old(event(n)))).collect());
    running.close();
    // All of that is too old: the first step of retention takes it.
    let mut running = start(dir.path());
    until(&mut running, 9, &[]);
    assert_eq!(list(&running), [(1, None)], "nothing but a reconcile closes it");
    running.close();
    let (opened, _inbox) = open(dir.path());
    let open = opened.store.open_gaps().unwrap();
    assert_eq!(open.iter().map(|gap| (gap.id, gap.since)).collect::<Vec<_>>(), [(1, Timestamp(3))]);
    drop(opened);
    let mut running = start(dir.path());
    running.store(vec![StoreOp::WatchRemoved(WatchId(1))]);
    assert_eq!(list(&running), [], "there is nothing any more that could close it");
    running.close();
}
