//! Ends without warning: whatever was acknowledged is there afterwards, and no number comes twice.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::samples::{event, run_start};
use super::*;

/// Copies what is on disk now, as if the power had failed.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_copy_made_in_the_middle_has_everything_that_was_acknowledged() {
    let dir = folder();
    let mut running = start(dir.path());
    let copies: Vec<_> = (1..=30)
        .map(|n| {
            running.store(vec![StoreOp::Record(event(n)), StoreOp::RunStart(run_start(n))]);
            let to = folder();
            copy(dir.path(), to.path());
            (n, to)
        })
        .collect();
    running.close();
    for (n, copy) in copies {
        let (opened, _inbox) = open(copy.path());
        assert!(!opened.clean && opened.set_aside.is_none());
        assert_eq!(
            journal_of(&opened.store).iter().map(|r| r.record.seq).collect::<Vec<_>>(),
            (1..=n).collect::<Vec<_>>()
        );
        assert_eq!(opened.store.unfinished_runs().unwrap().len() as u64, n);
    }
}

#[test]
fn numbers_are_never_used_twice() {
    let dir = folder();
    let mut first_free = 1;
    for crash in 0..5 {
        let (opened, mut inbox) = open(dir.path());
        assert!(opened.next_seq >= first_free && opened.next_run >= first_free, "{crash}");
        // Numbers far ahead of what is stored may have been shown.
        let seq = opened.next_seq + 1000;
        let (sender, _fatal) = oneshot::channel();
        let (mut storing, _reader) = opened.store.start(sender).unwrap();
        storing.submit(vec![
            (StoreOp::RunStart(run_start(seq)), None),
            (StoreOp::Record(event(seq)), Some(Ack::Command(1))),
        ]);
        assert_eq!(wait(inbox.recv()), Some(Input::Stored(vec![Ack::Command(1)])));
        // A crash: the copy goes on, without the end of this one.
        let after = folder();
        copy(dir.path(), after.path());
        storing.close().unwrap();
        for entry in fs::read_dir(dir.path()).unwrap().filter_map(Result::ok).filter(|e| e.path().is_file()) {
            fs::remove_file(entry.path()).unwrap();
        }
        copy(after.path(), dir.path());
        first_free = seq + 100_000;
    }
    let (opened, _inbox) = open(dir.path());
    let next = (opened.next_seq, opened.next_run);
    let (sender, _fatal) = oneshot::channel();
    opened.store.start(sender).unwrap().0.close().unwrap();
    let (opened, _inbox) = open(dir.path());
    assert_eq!((opened.next_seq, opened.next_run), next, "a clean stop leaves no hole");
}

const FOLDER: &str = "FSMOND_STORE_TEST_FOLDER";

/// Not a test: the process that the next one kills. It stores and prints each number once it is acknowledged.
#[test]
#[ignore = "it is the child of another test"]
fn child_that_writes() {
    let Ok(dir) = std::env::var(FOLDER) else { return };
    let (opened, inbox) = open(Path::new(&dir));
    let mut seq = opened.next_seq;
    let (sender, fatal) = oneshot::channel();
    let (storing, reader) = opened.store.start(sender).unwrap();
    let mut running = Running { storing, reader, inbox, fatal, token: 0 };
    loop {
        running.store((seq..seq + 20).map(|n| StoreOp::Record(event(n))).collect());
        seq += 20;
        println!("acked {}", seq - 1);
    }
}

#[test]
fn kill_9_loses_nothing_that_was_acknowledged() {
    let dir = folder();
    let mut acked = Vec::new();
    for round in 1..=10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::crash::child_that_writes", "--ignored", "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut told = 0;
        for line in lines {
            if let Some((_, n)) = line.split_once("acked ") {
                acked.push(n.parse::<u64>().unwrap());
                told += 1;
                if told == round * 3 {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
    }
    let (opened, _inbox) = open(dir.path());
    assert!(opened.set_aside.is_none());
    let stored: std::collections::HashSet<_> = journal_of(&opened.store).iter().map(|r| r.record.seq).collect();
    assert!(acked.len() >= 10);
    for n in acked {
        assert!((n - 19..=n).all(|n| stored.contains(&n)), "{n} was acknowledged and is gone");
        assert!(n < opened.next_seq);
    }
}
