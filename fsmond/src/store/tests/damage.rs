//! Files that are not what they should be: set aside and said, or refused untouched; never a panic, never silence.

use std::fs;
use std::os::unix::fs::symlink;

use super::samples::{Dice, checkpoint, event};
use super::*;

/// A folder with a database in it, closed cleanly or not, and its bytes.
fn database() -> (TempDir, Vec<u8>) {
    let dir = folder();
    let mut running = start(dir.path());
    running.store((1..=300).map(|n| StoreOp::Record(event(n))).collect());
    running.store(vec![StoreOp::Checkpoint(Box::new(checkpoint(&mut Dice(3), 1, 5)))]);
    running.close();
    let bytes = fs::read(dir.path().join("fsmond.db")).unwrap();
    (dir, bytes)
}

/// Opens and reads everything, as the daemon does at its start.
fn open_and_load(dir: &Path) -> Result<Opened, StoreError> {
    let (sender, _inbox) = mpsc::channel(1);
    let opened = Store::open(dir, sender, StoreOptions::default())?;
    let mut loaded = opened.store.replay(0, |_| {});
    for watch in &opened.watches {
        loaded = loaded.and_then(|()| opened.store.load_nodes(watch.id, |_| {}));
    }
    loaded = loaded.and_then(|()| opened.store.unfinished_runs().map(drop));
    match loaded {
        Ok(()) => Ok(opened),
        Err(StoreError::Damaged(why)) => opened.store.start_over(&why),
        Err(other) => Err(other),
    }
}

fn assert_set_aside(opened: &Opened, dir: &Path, bytes: &[u8]) {
    let aside = opened.set_aside.as_ref().unwrap();
    assert!(aside.file_name().unwrap().to_str().unwrap().starts_with("fsmond.db.damaged-"));
    assert_eq!(fs::read(aside).unwrap(), bytes, "what was damaged is kept as it was");
    assert_eq!(opened.notices.len(), 1);
    assert!(opened.fresh && opened.watches.is_empty() && journal_of(&opened.store).is_empty());
    assert!(opened.next_seq > 1 << 40, "numbers go on far behind any that was used: {}", opened.next_seq);
    assert!(dir.join("fsmond.db").is_file());
}

#[test]
fn an_empty_or_short_file_is_set_aside() {
    for length in [0, 1, 99, 100, 4095] {
        let (dir, mut bytes) = database();
        bytes.truncate(length);
        fs::write(dir.path().join("fsmond.db"), &bytes).unwrap();
        let (opened, _inbox) = open(dir.path());
        assert_set_aside(&opened, dir.path(), &bytes);
    }
}

#[test]
fn a_truncated_database_is_set_aside_at_any_length() {
    let (dir, whole) = database();
    let path = dir.path().join("fsmond.db");
    for pages in 1..whole.len() / 4096 {
        for cut in [pages * 4096, pages * 4096 + 1000] {
            fs::write(&path, &whole[..cut]).unwrap();
            let opened = open_and_load(dir.path()).unwrap();
            assert!(opened.set_aside.is_some(), "cut at {cut} of {}", whole.len());
        }
    }
}

#[test]
fn a_flipped_bit_never_panics_and_damaged_structure_is_set_aside() {
    let (dir, whole) = database();
    let path = dir.path().join("fsmond.db");
    let mut dice = Dice(11);
    let mut set_aside = 0;
    // The header and the first page bit by bit of its bytes, the rest by chance.
    let places = (0..200).chain((0..200).map(|_| usize::try_from(dice.below(whole.len() as u64)).unwrap()));
    for at in places.collect::<Vec<_>>() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        match open_and_load(dir.path()) {
            Ok(opened) => set_aside += u32::from(opened.set_aside.is_some()),
            Err(StoreError::Newer { .. }) => assert!((60..64).contains(&at)),
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    assert!(set_aside > 50, "only {set_aside}");
}

#[test]
fn rubbish_and_foreign_databases_are_set_aside() {
    let dir = folder();
    fs::write(dir.path().join("fsmond.db"), [b'x'; 5000]).unwrap();
    assert_set_aside(&open(dir.path()).0, dir.path(), &[b'x'; 5000]);
    let dir = folder();
    let foreign = Connection::open(dir.path().join("fsmond.db")).unwrap();
    foreign.execute_batch("CREATE TABLE t (a); PRAGMA user_version = 1").unwrap();
    drop(foreign);
    assert!(open(dir.path()).0.set_aside.is_some());
}

#[test]
fn damage_that_only_an_unclean_start_looks_for() {
    let (dir, _) = database();
    let path = dir.path().join("fsmond.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute("UPDATE meta SET value = 0 WHERE key = 'clean'", ()).unwrap();
    drop(conn);
    let mut bytes = fs::read(&path).unwrap();
    // A page in the middle that is only noise.
    let at = bytes.len() / 4096 / 2 * 4096;
    bytes[at..at + 4096].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    assert_set_aside(&open(dir.path()).0, dir.path(), &bytes);
}

#[test]
fn a_log_without_its_database_is_never_taken_for_that_of_a_fresh_one() {
    let (dir, _) = database();
    fs::remove_file(dir.path().join("fsmond.db")).unwrap();
    fs::write(dir.path().join("fsmond.db-wal"), b"old").unwrap();
    let (opened, _inbox) = open(dir.path());
    assert!(opened.set_aside.is_some() && opened.notices.len() == 1);
    let kept = fs::read_dir(dir.path()).unwrap().filter_map(Result::ok).map(|e| e.file_name().into_string().unwrap());
    assert!(kept.into_iter().any(|n| n.starts_with("fsmond.db.damaged-") && n.ends_with("-wal")));
}

#[test]
fn a_newer_database_is_refused_untouched() {
    for in_log in [false, true] {
        let (dir, _) = database();
        let path = dir.path().join("fsmond.db");
        let conn = Connection::open(&path).unwrap();
        conn.pragma_update(None, "user_version", 99).unwrap();
        if in_log {
            // As a crash leaves it: the new version stands only in the write-ahead log.
            let copy = folder();
            for name in ["fsmond.db", "fsmond.db-wal"] {
                fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
            }
            drop(conn);
            refused_untouched(copy.path());
        } else {
            drop(conn);
            refused_untouched(dir.path());
        }
    }
}

fn refused_untouched(dir: &Path) {
    let read = |name: &str| fs::read(dir.join(name)).ok();
    let before = (read("fsmond.db"), read("fsmond.db-wal"));
    let error = open_error(dir);
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("newer fsmond"));
    assert!((read("fsmond.db"), read("fsmond.db-wal")) == before, "it was touched");
}

#[test]
fn links_and_other_things_are_refused() {
    let (dir, bytes) = database();
    let path = dir.path().join("fsmond.db");
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(matches!(open_error(dir.path()), StoreError::Refused { .. }));
    assert_eq!(fs::read(&elsewhere).unwrap(), bytes);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(open_error(dir.path()), StoreError::Refused { .. }));
    let dir = folder();
    fs::write(dir.path().join("output"), b"").unwrap();
    assert!(matches!(open_error(dir.path()), StoreError::Refused { .. }));
}

#[test]
fn leftovers_of_an_unfinished_making_are_no_damage() {
    let dir = folder();
    fs::write(dir.path().join("fsmond.db.new"), b"half").unwrap();
    fs::write(dir.path().join("fsmond.db.new-journal"), b"half").unwrap();
    let (opened, _inbox) = open(dir.path());
    assert!(opened.fresh && opened.clean && opened.set_aside.is_none());
    assert_eq!((opened.next_seq, opened.next_run, opened.next_watch), (1, 1, 1));
}

#[test]
fn a_second_one_is_told_that_the_database_is_in_use() {
    // Locks belong to a process, so the other one has to be one: SQLite's own, through another connection of ours,
    // would share them.
    let dir = folder();
    let running = start(dir.path());
    let conn = Connection::open(dir.path().join("fsmond.db")).unwrap();
    conn.busy_timeout(Duration::ZERO).unwrap();
    assert!(conn.query_row("SELECT * FROM meta", (), |_| Ok(())).is_err());
    drop(conn);
    running.close();
}

#[test]
fn what_is_stored_is_open_to_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder();
    let mut running = start(dir.path());
    running.store(vec![StoreOp::Record(event(1))]);
    for (name, mode) in [("fsmond.db", 0o600), ("fsmond.db-wal", 0o600), ("output", 0o700)] {
        let found = fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name}");
    }
    running.close();
    assert!(!dir.path().join("fsmond.db-wal").exists(), "a clean stop leaves no log behind");
}
