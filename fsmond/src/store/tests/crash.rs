//! Ends without warning: whatever was acknowledged is there afterwards, and no number comes twice.

use std::collections::HashSet;
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
const ROUNDS: &str = "FSMOND_STORE_TEST_ROUNDS";

/// Not a test: the process that others kill. It stores, and prints each number once it is acknowledged.
#[test]
#[ignore = "it is the child of other tests"]
fn child_that_writes() {
    let Ok(dir) = std::env::var(FOLDER) else { return };
    let rounds = std::env::var(ROUNDS).map_or(u64::MAX, |r| r.parse().unwrap());
    let (sender, mut inbox) = mpsc::channel(16);
    let opened = match Store::open(Path::new(&dir), sender, StoreOptions::default()) {
        Ok(opened) => opened,
        Err(error) => return println!("refused {error}"),
    };
    assert!(opened.set_aside.is_none(), "{:?}", opened.notices);
    let mut seq = opened.next_seq;
    let (sender, mut fatal) = oneshot::channel();
    let (mut storing, _reader) = opened.store.start(sender).unwrap();
    for _ in 0..rounds {
        let last = seq + 19;
        let operations = (seq..=last).map(|n| (StoreOp::Record(event(n)), (n == last).then_some(Ack::Command(n))));
        storing.submit(operations.collect());
        storing.submit(vec![(StoreOp::SaveWatches(Vec::new()), None)]);
        let stored = wait(async {
            tokio::select! {
                biased;
                why = &mut fatal => Err(why.unwrap()),
                stored = inbox.recv() => match stored {
                    Some(stored) => Ok(stored),
                    None => Err((&mut fatal).await.unwrap()),
                },
            }
        });
        match stored {
            Ok(stored) => assert_eq!(stored, Input::Stored(vec![Ack::Command(last)])),
            Err(why) => {
                assert!(inbox.try_recv().is_err(), "acknowledged after a fatal error");
                return println!("fatal {why}");
            }
        }
        println!("acked {last}");
        seq = last + 1;
    }
    println!("closed {:?}", storing.close());
}

/// What a child said about each number.
#[derive(Default)]
struct Said {
    acked: Vec<u64>,
    fatal: bool,
    refused: bool,
    closed: bool,
}

/// Runs the child in a folder, behind `before` (such as `strace …`); kills it after so many acknowledged numbers.
fn child(dir: &Path, before: &[&str], rounds: u64, kill_after: usize) -> Said {
    let mut words: Vec<_> = before.iter().map(std::ffi::OsString::from).collect();
    words.push(std::env::current_exe().unwrap().into());
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .args(["--exact", "store::tests::crash::child_that_writes", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, dir)
        .env(ROUNDS, rounds.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = Said::default();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        assert!(!line.contains("panicked") && !line.contains("FAILED"), "{line}");
        said.fatal |= line.contains("fatal ");
        said.refused |= line.contains("refused ");
        said.closed |= line.contains("closed Ok");
        if let Some((_, n)) = line.split_once("acked ") {
            said.acked.push(n.parse().unwrap());
            if said.acked.len() == kill_after {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    said
}

fn assert_all_there(dir: &Path, acked: &[u64]) {
    let (opened, _inbox) = open(dir);
    assert!(opened.set_aside.is_none(), "{:?}", opened.notices);
    let stored: HashSet<_> = journal_of(&opened.store).iter().map(|r| r.record.seq).collect();
    for n in acked {
        assert!((n - 19..=*n).all(|n| stored.contains(&n)), "{n} was acknowledged and is gone");
        assert!(*n < opened.next_seq);
    }
}

#[test]
fn kill_9_loses_nothing_that_was_acknowledged() {
    let dir = folder();
    let mut acked = Vec::new();
    for round in 1..=10 {
        acked.extend(child(dir.path(), &[], u64::MAX, round * 3).acked);
    }
    assert!(acked.len() >= 10);
    assert_all_there(dir.path(), &acked);
}

fn no_strace() -> bool {
    let here = Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success());
    if !here {
        println!("skipped: strace cannot be used here");
    }
    !here
}

#[test]
fn killed_at_every_call_that_writes_it_goes_on_as_if_nothing_had_been() {
    if no_strace() {
        return;
    }
    for n in 1..500 {
        let dir = folder();
        let inject = format!("inject=pwrite64,fsync,fdatasync,rename,unlink,ftruncate:signal=KILL:when={n}");
        let before = ["strace", "-f", "-o", "/dev/null", "-e", &inject];
        let mut said = child(dir.path(), &before, 3, usize::MAX);
        // And once more while it recovers.
        said.acked.extend(child(dir.path(), &before, 3, usize::MAX).acked);
        assert_all_there(dir.path(), &said.acked);
        if said.closed {
            assert!(n > 20, "only {n} calls were counted");
            return;
        }
    }
    panic!("it never ended by itself");
}

/// The syncs of so many of the child's commits fail one after the other.
const COMMITS: u32 = 5;

#[test]
fn after_an_fsync_that_failed_nothing_is_acknowledged() {
    if no_strace() {
        return;
    }
    let mut fatal = 0;
    for n in 1..40 {
        let dir = folder();
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={n}");
        // Where a sync of the same number is made on the way to the first commit, that one fails: so more than are looked for.
        let rounds = 2 * u64::from(COMMITS);
        let said = child(dir.path(), &["strace", "-f", "-o", "/dev/null", "-e", &inject], rounds, usize::MAX);
        // Only one call failed and all later ones work: without care the next commit would be acknowledged.
        fatal += u32::from(said.fatal);
        assert_all_there(dir.path(), &said.acked);
        if said.closed {
            // There is no sync of this number in either thread any more. Each round waits for a commit of its own; what
            // it submits beside that may share it.
            assert!(n > COMMITS && fatal >= COMMITS, "the sync number {n} failed and nobody noticed, {fatal} before");
            return;
        }
    }
    panic!("it never ended by itself");
}
