//! Questions about the past.

use std::fs;

use fsmon_core::io::{RunEndRow, RunRow};
use fsmon_protocol::ErrorKind;
use fsmon_protocol::event::What;
use fsmon_protocol::run::{Outcome, RunStatus};
use fsmon_protocol::units::Timestamp;

use super::samples::{self, event, every_record, run_end, run_start};
use super::*;
use crate::edges::{History, JournalPage, JournalQuery, RunsQuery};

fn ask(running: &Running, query: JournalQuery) -> JournalPage {
    wait(running.reader.journal(query)).unwrap()
}

fn seqs(page: &JournalPage) -> Vec<u64> {
    page.records.iter().map(|r| r.seq).collect()
}

#[test]
fn the_journal_is_read_page_by_page() {
    let dir = folder();
    let mut running = start(dir.path());
    let empty = ask(&running, JournalQuery { after: 3, max: 10, ..Default::default() });
    assert_eq!((seqs(&empty), empty.next, empty.oldest), (vec![], 3, 0));
    running.store((1..=25).map(|n| StoreOp::Record(event(n))).collect());
    let first = ask(&running, JournalQuery { max: 10, ..Default::default() });
    assert_eq!((seqs(&first), first.next, first.oldest), ((1..=10).collect(), 10, 1));
    let rest = ask(&running, JournalQuery { after: first.next, max: 100, ..Default::default() });
    assert_eq!((seqs(&rest), rest.next), ((11..=25).collect(), 25));
    let none = ask(&running, JournalQuery { after: 25, max: 100, ..Default::default() });
    assert_eq!((seqs(&none), none.next), (vec![], 25));
    let beyond = ask(&running, JournalQuery { after: u64::MAX, max: 100, ..Default::default() });
    assert_eq!((seqs(&beyond), beyond.next), (vec![], u64::MAX));
    let last = ask(&running, JournalQuery { last: Some(3), max: 100, ..Default::default() });
    assert_eq!((seqs(&last), last.next), (vec![23, 24, 25], 25));
    let last = ask(&running, JournalQuery { last: Some(3), after: 24, max: 100, ..Default::default() });
    assert_eq!(seqs(&last), [25]);
    let none = ask(&running, JournalQuery { last: Some(0), max: 100, ..Default::default() });
    assert_eq!((seqs(&none), none.next), (vec![], 25));
    running.close();
}

#[test]
fn the_journal_is_filtered_by_kind_watch_and_time() {
    let dir = folder();
    let mut running = start_with(dir.path(), KEEP_ALL);
    let rows = every_record();
    running.store(rows.iter().cloned().map(StoreOp::Record).collect());
    let expect = |test: &dyn Fn(&JournalRow) -> bool| -> Vec<u64> {
        rows.iter().filter(|r| test(r)).map(|r| r.record.seq).collect()
    };
    let base = JournalQuery { max: 1000, ..Default::default() };
    let page = ask(&running, JournalQuery { kinds: vec!["gap".into(), "service".into()], ..base.clone() });
    assert_eq!(seqs(&page), expect(&|r| matches!(r.record.what, What::Gap(_) | What::Service(_))));
    assert_eq!(page.next, rows.len() as u64);
    let page = ask(&running, JournalQuery { watches: vec![WatchId(1)], ..base.clone() });
    assert_eq!(seqs(&page), expect(&|r| r.watch == Some(WatchId(1))));
    let page = ask(&running, JournalQuery { since: Some(Timestamp(50)), ..base.clone() });
    assert_eq!(seqs(&page), expect(&|r| r.record.seq >= 50));
    let page = ask(&running, JournalQuery { kinds: vec!["run".into()], last: Some(2), ..base.clone() });
    let runs = expect(&|r| matches!(r.record.what, What::Run(_)));
    assert_eq!(seqs(&page), runs[runs.len() - 2..]);
    let page = ask(&running, JournalQuery { kinds: vec!["no such".into()], last: Some(2), ..base });
    assert!(page.records.is_empty());
    running.close();
}

#[test]
fn one_question_looks_at_a_bounded_number_of_rows() {
    let dir = folder();
    let mut running = start(dir.path());
    let mut first = event(1);
    first.watch = Some(WatchId(77));
    running.store([first].into_iter().chain((2..=120_000).map(event)).map(StoreOp::Record).collect());
    let query = JournalQuery { after: 1, watches: vec![WatchId(77)], max: 10, ..Default::default() };
    let page = ask(&running, query.clone());
    assert_eq!((page.records.len(), page.next), (0, 50_001));
    // Backwards there is no way to ask on, so it goes on by itself, in turns.
    let page = ask(&running, JournalQuery { after: 0, last: Some(1), ..query });
    assert_eq!((seqs(&page), page.next), (vec![1], 120_000));
    let page = ask(&running, JournalQuery { max: u32::MAX, ..Default::default() });
    assert_eq!(page.records.len(), 10_000);
    running.close();
}

#[test]
fn runs_are_listed_newest_first() {
    let dir = folder();
    let mut running = start(dir.path());
    for (run, status) in (1..).zip(samples::STATUSES) {
        let row = RunRow { watch: WatchId(u32::try_from(run % 2).unwrap()), ..run_start(run) };
        running.store(vec![StoreOp::RunStart(row), StoreOp::RunEnd(run_end(run, status))]);
    }
    // It was taken back before it began, so it has not failed.
    let taken_back = RunEndRow { outcome: None, ms: None, ..run_end(9, RunStatus::Interrupted) };
    let start = RunRow { watch: WatchId(1), ..run_start(9) };
    running.store(vec![StoreOp::RunStart(start), StoreOp::RunEnd(taken_back)]);
    let list = |watch, failed, max| -> Vec<u64> {
        wait(running.reader.runs(RunsQuery { watch, failed, max })).unwrap().iter().map(|r| r.run).collect()
    };
    assert_eq!(list(None, false, 100), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(list(None, false, 2), [9, 8]);
    assert_eq!(list(Some(WatchId(1)), false, 100), [9, 7, 5, 3, 1]);
    assert_eq!(list(None, true, 100), [8, 6, 4, 3]);
    assert_eq!(list(Some(WatchId(1)), true, 100), [3]);
    assert_eq!(list(Some(WatchId(9)), true, 100), Vec::<u64>::new());
    running.close();
}

#[test]
fn output_is_read_from_file_and_row() {
    let dir = folder();
    let mut running = start(dir.path());
    let file = |run: u64| dir.path().join("output").join(run.to_string());
    let output = |running: &Running, run, offset, max| wait(running.reader.output(run, offset, max));
    assert_eq!(output(&running, 1, 0, 9).unwrap_err().kind, ErrorKind::NotFound);
    running.store((1..=5).map(|n| StoreOp::RunStart(run_start(n))).collect());
    let nothing = output(&running, 1, 0, 9).unwrap();
    assert!(nothing.bytes.is_empty() && !nothing.ended);

    fs::write(file(1), b"hello world").unwrap();
    let part = output(&running, 1, 6, 3).unwrap();
    assert_eq!((&*part.bytes, part.ended, part.info.output_bytes), (&b"wor"[..], false, 11));
    fs::write(file(2), vec![b'x'; 4097]).unwrap();
    fs::write(file(3), b"").unwrap();
    fs::write(file(4), b"left behind").unwrap();
    let end = |run, output_bytes| StoreOp::RunEnd(RunEndRow { output_bytes, ..run_end(run, RunStatus::Ok) });
    let lost = RunEndRow { outcome: None, ms: None, ..run_end(4, RunStatus::Lost) };
    // It was made, and nothing could be written into it.
    let full = StoreOp::RunEnd(RunEndRow { output_bytes: 0, output_dropped: 7, ..run_end(3, RunStatus::Ok) });
    running.store(vec![end(1, 11), end(2, 4097), full, StoreOp::RunEnd(lost), end(5, 100)]);

    assert!(!file(1).exists() && file(2).exists() && !file(3).exists() && !file(4).exists());
    let part = output(&running, 1, 6, 30).unwrap();
    assert_eq!((&*part.bytes, part.ended, part.info.outcome), (&b"world"[..], true, Some(Outcome::Exited(0))));
    assert!(output(&running, 1, 11, 3).unwrap().bytes.is_empty());
    assert!(output(&running, 1, u64::MAX, usize::MAX).unwrap().bytes.is_empty());
    assert_eq!(output(&running, 2, 4000, 1000).unwrap().bytes.len(), 97);
    assert!(output(&running, 2, u64::MAX, 10).unwrap().bytes.is_empty());
    assert!(output(&running, 3, 0, 10).unwrap().bytes.is_empty());
    assert_eq!(output(&running, 4, 0, 100).unwrap().bytes, b"left behind");
    assert!(output(&running, 5, 0, 100).unwrap().bytes.is_empty(), "its file is gone");
    running.close();
}
