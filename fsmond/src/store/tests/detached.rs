//! What is kept of watches that nothing defines, for how long, and that it holds back nothing else.

use fsmon_core::io::Kept;
use fsmon_protocol::units::Timestamp;

use super::retention::old;
use super::samples::{Dice, checkpoint, event, watch};
use super::*;
use crate::edges::{History, JournalQuery};
use crate::store::detached::{KEPT, forget};

const DAY: Duration = Duration::from_secs(86_400);

fn kept(running: &Running, id: u32) -> Option<Box<Kept>> {
    let WatchRow { name, path, .. } = watch(id);
    wait(running.reader.kept(name.to_string(), path)).unwrap()
}

fn detached(id: u32, since: Timestamp, behind: bool) -> StoreOp {
    StoreOp::Detached { watch: WatchId(id), since, behind }
}

/// The row of a watch of this number, and its ledger up to here.
fn ledger(id: u32, upto: u64) -> StoreOp {
    let mut checkpoint = checkpoint(&mut Dice(u64::from(id) + 3), id, upto);
    checkpoint.watch = WatchRow { upto, ..watch(id) };
    StoreOp::Checkpoint(Box::new(checkpoint))
}

#[test]
fn what_is_kept_is_the_row_the_ledger_and_what_that_lacks() {
    let dir = folder();
    let mut running = start_with(dir.path(), KEEP_ALL);
    let mut of_1 = event(3);
    of_1.watch = Some(WatchId(1));
    running.store(vec![ledger(1, 2), ledger(2, 2), StoreOp::Record(of_1.clone())]);
    assert!(kept(&running, 1).is_none(), "it is defined");
    let since = samples::now();
    running.store(vec![detached(1, since, true)]);
    let found = kept(&running, 1).unwrap();
    assert_eq!((found.row, found.since, found.journal), (WatchRow { upto: 2, ..watch(1) }, since, vec![of_1]));
    assert!(kept(&running, 2).is_none());
    running.close();
    let (opened, _inbox) = open_with(dir.path(), KEEP_ALL);
    assert_eq!(opened.detached, BTreeMap::from([(WatchId(1), since)]));
    assert_eq!(nodes_of(&opened.store, WatchId(1)), found.nodes);
    drop(opened);
    let mut running = start_with(dir.path(), KEEP_ALL);
    running.store(vec![StoreOp::Watch(Box::new(watch(1)))]);
    assert!(kept(&running, 1).is_none(), "who writes its row is defined again");
    running.close();
}

#[test]
fn a_ledger_is_forgotten_after_seven_days_or_when_the_journal_has_lost_what_it_lacks() {
    let dir = folder();
    let mut running = start_with(dir.path(), KEEP_ALL);
    let now = Timestamp(1_800_000_000_000_000_000);
    running.store((1..=4).map(|id| ledger(id, 10)).collect());
    running.store(vec![
        detached(1, now.minus(KEPT), false),
        detached(2, now.minus(KEPT + Duration::from_secs(1)), false),
        detached(3, now.minus(DAY), true),
    ]);
    running.close();
    let left = |gone: u64| {
        let (opened, _inbox) = open_with(dir.path(), KEEP_ALL);
        forget(&opened.store.conn, now.minus(KEPT), gone).unwrap();
        let with_rows = |id: &u32| !nodes_of(&opened.store, WatchId(*id)).is_empty();
        (1..=4).filter(with_rows).collect::<Vec<_>>()
    };
    assert_eq!(left(10), [1, 3, 4], "all that is missing of 3 is still there");
    assert_eq!(left(11), [1, 4], "one of its records is gone");
}

#[test]
fn the_journal_is_shortened_beside_it() {
    let dir = folder();
    let mut running = start_with(dir.path(), KEEP_ALL);
    running.store((1..=100).map(|n| StoreOp::Record(old(event(n)))).collect());
    running.store(vec![ledger(1, 10), ledger(2, 90), detached(1, samples::now(), false)]);
    running.close();
    let running = start(dir.path());
    let deadline = std::time::Instant::now() + LIMIT;
    while wait(running.reader.journal(JournalQuery { max: 1, ..Default::default() })).unwrap().oldest != 91 {
        assert!(std::time::Instant::now() < deadline, "the journal is not shortened");
        std::thread::yield_now();
    }
    assert!(kept(&running, 1).is_some(), "it lacks nothing");
    running.close();
}
