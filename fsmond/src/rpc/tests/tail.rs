//! `tail`: every record once, in order, wherever it is.

use std::sync::Arc;
use std::time::Duration;

use fsmon_core::io::JournalRow;
use fsmon_protocol::event::{EventKind, ServiceStatus, What};
use fsmon_protocol::rpc_types::{Cursor, TailReply, TailRequest};
use fsmon_protocol::{ErrorKind, Timestamp};

use super::{Stand, waiting};
use crate::engine::kind_of;
use crate::engine::testing::{created, until};
use crate::rpc::Limits;
use crate::rpc::tail::KINDS;

fn request(cursor: Cursor) -> TailRequest {
    TailRequest { cursor, watches: vec![], kinds: vec![], max: 1000, wait_ms: 0 }
}

fn rows(numbers: std::ops::RangeInclusive<u64>) -> Vec<JournalRow> {
    numbers.map(|seq| created(seq, u32::try_from(seq % 2).unwrap(), "/r/a")).collect()
}

fn numbers(reply: &TailReply) -> Vec<u64> {
    reply.records.iter().map(|record| record.seq).collect()
}

#[test]
fn every_kind_can_be_asked_for() {
    let mut kinds = vec![kind_of(&What::Service(ServiceStatus::Started))];
    kinds.extend(EVENT_KINDS.map(EventKind::as_str));
    kinds.extend(["gap", "run", "schedule", "watch"]);
    kinds.sort_unstable();
    let mut known = KINDS.to_vec();
    known.sort_unstable();
    assert_eq!(kinds, known);
}

const EVENT_KINDS: [EventKind; 5] =
    [EventKind::Create, EventKind::Modify, EventKind::Rename, EventKind::Delete, EventKind::Attrib];

/// A server whose store has committed 1 to 103 (of which the ring never had 1 to 100) and whose ring has 101 to 105.
async fn stand_with_seam() -> Stand {
    let stand = Stand::with(Limits::default(), 100, 0o600);
    stand.history.committed.lock().unwrap().extend(rows(1..=103));
    stand.store(rows(101..=105)).await;
    stand
}

async fn tail(stand: &Stand, request: TailRequest) -> TailReply {
    let wait = Duration::from_millis(request.wait_ms.into());
    stand.client().await.tail(fsmon_protocol::rpc::context(wait), request).await.unwrap().unwrap()
}

#[tokio::test]
async fn every_cursor_reads_over_the_seam_without_gap_or_repeat() {
    let stand = stand_with_seam().await;
    for from in [0, 1, 50, 98, 99, 100, 101, 103, 104, 105, 200] {
        let reply = tail(&stand, request(Cursor::After(from))).await;
        assert_eq!(numbers(&reply), (from + 1..=105).collect::<Vec<_>>(), "after {from}");
        assert_eq!((reply.next, reply.missed, reply.more), (from.max(105), 0, false));
    }
    for last in [1, 2, 3, 4, 5, 6, 50, 105, 1000] {
        let reply = tail(&stand, request(Cursor::Last(last))).await;
        assert_eq!(numbers(&reply), (106 - u64::from(last).min(105)..=105).collect::<Vec<_>>(), "last {last}");
        assert_eq!((reply.next, reply.more), (105, false));
    }
    for since in [1, 90, 101, 104, 105] {
        let reply = tail(&stand, request(Cursor::Since(Timestamp(since)))).await;
        assert_eq!(numbers(&reply), (u64::try_from(since).unwrap()..=105).collect::<Vec<_>>(), "since {since}");
    }
    let now = tail(&stand, request(Cursor::Now)).await;
    assert_eq!((numbers(&now), now.next), (vec![], 105));
}

#[tokio::test]
async fn replies_are_capped_and_asking_on_brings_the_rest() {
    let stand = stand_with_seam().await;
    for first in [Cursor::After(90), Cursor::Last(15), Cursor::Since(Timestamp(91))] {
        let mut got = Vec::new();
        let mut cursor = first;
        loop {
            let reply = tail(&stand, TailRequest { max: 4, ..request(cursor) }).await;
            assert!(reply.records.len() <= 4);
            got.extend(numbers(&reply));
            cursor = Cursor::After(reply.next);
            if !reply.more {
                break;
            }
        }
        assert_eq!(got, (91..=105).collect::<Vec<_>>(), "{first:?}");
    }
    let long = "/".repeat(4000);
    stand.store((106..=400).map(|seq| created(seq, 1, &long)).collect()).await;
    let reply = tail(&stand, request(Cursor::After(105))).await;
    assert!(reply.more && reply.records.len() < 200 && reply.records.len() > 50);
    assert_eq!(numbers(&reply), (106..=reply.next).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_record_that_is_in_neither_for_a_moment_is_waited_for() {
    let stand = Stand::with(Limits::default(), 100, 0o600);
    stand.history.committed.lock().unwrap().extend(rows(1..=97));
    stand.store(rows(101..=102)).await;
    for cursor in [Cursor::After(95), Cursor::Last(7)] {
        stand.history.committed.lock().unwrap().truncate(97);
        stand.history.queries.lock().unwrap().clear();
        let client = stand.client().await;
        let asked = tokio::spawn(async move { client.tail(waiting(0), request(cursor)).await });
        until("the store was asked again", || stand.history.queries.lock().unwrap().len() > 2).await;
        assert!(!asked.is_finished());
        stand.history.committed.lock().unwrap().extend(rows(98..=100));
        assert_eq!(numbers(&asked.await.unwrap().unwrap().unwrap()), (96..=102).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn filters_take_what_matches_and_the_cursor_moves_over_the_rest() {
    let stand = stand_with_seam().await;
    let mut of_service = created(106, 1, "/r/a");
    of_service.watch = None;
    Arc::make_mut(&mut of_service.record).what = What::Service(ServiceStatus::Reloaded);
    stand.store(vec![of_service]).await;
    let odd = tail(&stand, TailRequest { watches: vec!["w1".into()], ..request(Cursor::After(96)) }).await;
    assert_eq!((numbers(&odd), odd.next), (vec![97, 99, 101, 103, 105], 106));
    let service = tail(&stand, TailRequest { kinds: vec!["service".into()], ..request(Cursor::After(0)) }).await;
    assert_eq!(numbers(&service), [106]);
    let none = tail(&stand, TailRequest { kinds: vec!["gap".into()], ..request(Cursor::After(0)) }).await;
    assert_eq!((numbers(&none), none.next), (vec![], 106));
    let wrong = TailRequest { kinds: vec!["creat".into()], ..request(Cursor::Now) };
    let error = stand.client().await.tail(waiting(0), wrong).await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.hint.unwrap().contains("create, modify"));
}

#[tokio::test]
async fn what_retention_took_is_told() {
    let stand = Stand::with(Limits::default(), 100, 0o600);
    stand.history.committed.lock().unwrap().extend(rows(61..=100));
    let reply = tail(&stand, request(Cursor::After(20))).await;
    assert_eq!((numbers(&reply).first().copied(), reply.missed), (Some(61), 40));
    assert_eq!(tail(&stand, request(Cursor::After(60))).await.missed, 0);
    assert_eq!(tail(&stand, request(Cursor::Last(100))).await.missed, 0);
}

#[tokio::test]
async fn a_waiting_tail_gets_the_first_record_that_matches() {
    let stand = Stand::new(Limits::default());
    let client = stand.client().await;
    let wanted = TailRequest { watches: vec!["w1".into()], wait_ms: 25_000, ..request(Cursor::Now) };
    let asked = tokio::spawn(async move { client.tail(waiting(25_000), wanted).await });
    until("the watch is resolved", || !stand.commands.lock().unwrap().is_empty()).await;
    stand.store(rows(2..=2)).await;
    assert!(!asked.is_finished());
    stand.store(rows(3..=3)).await;
    let reply = asked.await.unwrap().unwrap().unwrap();
    assert_eq!((numbers(&reply), reply.next), (vec![3], 3));
    let nothing = tail(&stand, TailRequest { wait_ms: 30, ..request(Cursor::Now) }).await;
    assert_eq!((numbers(&nothing), nothing.next), (vec![], 3));
}

#[tokio::test]
async fn waits_end_when_the_daemon_stops() {
    let stand = Stand::new(Limits::default());
    let client = stand.client().await;
    let wanted = TailRequest { watches: vec!["w1".into()], wait_ms: 25_000, ..request(Cursor::Now) };
    let asked = tokio::spawn(async move { client.tail(waiting(25_000), wanted).await });
    until("the watch is resolved", || !stand.commands.lock().unwrap().is_empty()).await;
    stand.stop.cancel();
    assert_eq!(numbers(&asked.await.unwrap().unwrap().unwrap()), Vec::<u64>::new());
    stand.serving.await.unwrap();
}
