//! A disk that is full or read-only: nothing is acknowledged, everything is kept, and it goes on by itself.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::samples::{event, watch};
use super::*;

/// A small file system of its own, unmounted at the end.
struct Mount(PathBuf, #[allow(dead_code, reason = "it holds the folder")] TempDir);

impl Mount {
    /// None where we may not mount.
    fn new(size: &str) -> Option<Self> {
        let dir = folder();
        let path = dir.path().join("mount");
        fs::create_dir(&path).unwrap();
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&path).output();
        if done.is_ok_and(|o| o.status.success()) {
            return Some(Self(path, dir));
        }
        println!("skipped: no tmpfs can be mounted here");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    let block = vec![1; 4096];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
    path
}

#[test]
fn a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_room() {
    let Some(mount) = Mount::new("4m") else { return };
    let mut running = start(&mount.0);
    running.store(vec![StoreOp::Record(event(1))]);
    let filler = fill(&mount.0);
    // Until it no longer fits: what was acknowledged so far counts.
    let mut seq = 1;
    let (waiting, why) = loop {
        let ack = running.submit((seq + 1..=seq + 500).map(|n| StoreOp::Record(event(n))).collect());
        match running.next() {
            Input::StoreState(Some(why)) => break (ack, why),
            Input::Stored(acks) => assert_eq!(acks, [ack]),
            other => panic!("{other:?}"),
        }
        seq += 500;
    };
    assert!(why.contains("full"), "{why}");
    assert_eq!(running.storing.backlog(), 500);
    assert!(running.inbox.try_recv().is_err(), "nothing is acknowledged");
    // The past can still be read.
    let query = crate::edges::JournalQuery { last: Some(1), max: 1, ..Default::default() };
    assert_eq!(wait(crate::edges::History::journal(&running.reader, query)).unwrap().records[0].seq, seq);
    fs::remove_file(filler).unwrap();
    assert_eq!(running.next(), Input::StoreState(None));
    assert_eq!(running.next(), Input::Stored(vec![waiting]));
    assert_eq!(running.storing.backlog(), 0);
    running.close();
    let (opened, _inbox) = open(&mount.0);
    assert_eq!(journal_of(&opened.store).len() as u64, seq + 500, "all of it, once");
    drop(opened);
}

#[test]
fn specs_that_cannot_be_written_are_written_later() {
    let dir = folder();
    let mut running = start(dir.path());
    // A folder where the new file would be made stands in the way.
    let block = dir.path().join(".watches.toml.new");
    fs::create_dir(&block).unwrap();
    let ack = running.submit(vec![StoreOp::Watch(Box::new(watch(1))), StoreOp::SaveWatches(Vec::new())]);
    assert!(matches!(running.next(), Input::StoreState(Some(_))));
    fs::remove_dir(&block).unwrap();
    assert_eq!(running.next(), Input::StoreState(None));
    assert_eq!(running.next(), Input::Stored(vec![ack]));
    running.close();
}

#[test]
fn a_read_only_folder_is_told_at_the_start() {
    let Some(mount) = Mount::new("4m") else { return };
    let mut running = start(&mount.0);
    running.store(vec![StoreOp::Record(event(1))]);
    running.close();
    assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(&mount.0).status().unwrap().success());
    let error = open_error(&mount.0);
    assert!(!matches!(error, StoreError::Damaged(_)), "{error}");
    assert!(Command::new("mount").args(["-o", "remount,rw"]).arg(&mount.0).status().unwrap().success());
    assert_eq!(journal_of(&open(&mount.0).0.store).len(), 1);
}

#[test]
fn a_number_given_twice_is_a_bug_and_ends_the_store() {
    let dir = folder();
    let mut running = start(dir.path());
    running.store(vec![StoreOp::Record(event(1))]);
    running.submit(vec![StoreOp::Record(event(1))]);
    assert!(wait(&mut running.fatal).unwrap().contains("UNIQUE"));
    assert!(running.inbox.try_recv().is_err(), "nothing is acknowledged");
    let query = crate::edges::RunsQuery { watch: None, failed: false, max: 1 };
    let error = wait(crate::edges::History::runs(&running.reader, query)).unwrap_err();
    assert!(error.message.contains("stopped"), "{error}");
    assert!(running.storing.close().is_err());
}

#[test]
fn an_fsync_that_fails_is_fatal_and_a_full_disk_is_not() {
    use super::super::error::Trouble;
    let error = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
    let of = |code| Trouble::of(&error(code));
    assert_eq!(of(rusqlite::ffi::SQLITE_IOERR_FSYNC), Trouble::Fatal);
    assert_eq!(of(rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC), Trouble::Fatal);
    assert_eq!(of(rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY), Trouble::Fatal);
    assert_eq!(of(rusqlite::ffi::SQLITE_IOERR_WRITE), Trouble::Later);
    assert_eq!(of(rusqlite::ffi::SQLITE_READONLY_DBMOVED), Trouble::Later);
    assert_eq!(of(rusqlite::ffi::SQLITE_FULL), Trouble::Later);
    assert_eq!(of(rusqlite::ffi::SQLITE_CORRUPT_INDEX), Trouble::Damaged);
    assert_eq!(of(rusqlite::ffi::SQLITE_NOTADB), Trouble::Damaged);
}
