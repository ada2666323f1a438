//! A database of an older version is brought to this one, with everything that is in it.
//!
//! `v1.sql` is what `sqlite3 .dump` says of a database that the first version left after a clean stop: a file that
//! failed, one that was processed, a new one and a renamed one that are pending, and a link. It is never changed.

use fsmon_core::io::NodeState;
use rusqlite::Connection;

use super::*;

const V1: &str = include_str!("v1.sql");

/// The database of the first version, as it lay on disk.
fn first_version(dir: &Path) {
    let conn = Connection::open(dir.join("fsmond.db")).unwrap();
    conn.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;").unwrap();
    conn.execute_batch(V1).unwrap();
    conn.execute_batch("PRAGMA application_id = 0x66736d6e; PRAGMA user_version = 1;").unwrap();
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
    conn.close().unwrap();
}

#[test]
fn the_first_version_is_taken_with_all_it_knows() {
    let dir = folder();
    first_version(dir.path());
    for again in [false, true] {
        let (opened, _inbox) = open(dir.path());
        assert!(opened.set_aside.is_none() && !opened.fresh, "{:?}", opened.notices);
        assert_eq!(opened.clean, !again, "the first opening is not closed cleanly");
        assert!(opened.next_seq >= 17 && opened.next_run >= 4);
        let watch = &opened.watches[0];
        assert_eq!((&*watch.name, watch.paused), ("orders", true));
        let nodes = nodes_of(&opened.store, watch.id);
        let of = |name: &[u8]| nodes.iter().find(|node| *node.name == *name).unwrap().state.clone();
        assert_eq!(nodes.len(), 6);
        assert!(matches!(of(b"b"), NodeState::Failed(p) if p.attempts == 1));
        assert!(matches!(of(b"z"), NodeState::Pending(p) if p.from.is_some()));
        assert!(matches!(of(b"p"), NodeState::Pending(_)));
        assert!(matches!(of(b"c"), NodeState::Clean));
        assert_eq!(journal_of(&opened.store).len(), 16);
    }
    let conn = Connection::open(dir.path().join("fsmond.db")).unwrap();
    assert_eq!(schema::version(&conn).unwrap(), schema::VERSION);
}
