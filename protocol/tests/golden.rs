//! Holds the bytes of everything that travels: they may only change together with `fsmon_protocol::VERSION`.
//!
//! After a change that is meant: raise `VERSION`, then write the new file with
//! `FSMON_WRITE_GOLDEN=1 cargo test -p fsmon-protocol --features rpc --test golden`.

#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that fails")]

#[path = "golden/samples.rs"]
mod samples;

use std::fmt::Write;
use std::path::PathBuf;

use fsmon_protocol::rpc::codec::{ClientWire, DaemonWire, LONGEST_DEADLINE, decode, encode};
use fsmon_protocol::rpc::{FsmonRequest, FsmonResponse, context, preamble};
use fsmon_protocol::rpc_types::LONGEST_WAIT;
use fsmon_protocol::spec::{Options, Rules, WatchSpec};
use samples::{METHODS, Named, message, replies, reply_name, request_name, requests, response};
use tarpc::{ClientMessage, Request, ServerError};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

type AtDaemon = DaemonWire<FsmonRequest, FsmonResponse>;
type AtClient = ClientWire<FsmonRequest, FsmonResponse>;

fn framed<Out, W: Encoder<Out, Error = std::io::Error>>(mut wire: W, out: Out) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    wire.encode(out, &mut bytes).unwrap();
    bytes.to_vec()
}

/// Everything, in the order of the golden file.
fn everything() -> Vec<Named> {
    let mut all = vec![("preamble".to_owned(), preamble::preamble(fsmon_protocol::VERSION).to_vec())];
    for (id, request) in (1..).zip(requests()) {
        let name = format!("request.{}", request_name(&request));
        all.push((name, framed(AtClient::of_client(), message(id, request))));
    }
    let cancel = ClientMessage::Cancel { trace_context: tarpc::trace::Context::default(), request_id: 7 };
    all.push(("request.cancel".into(), framed(AtClient::of_client(), cancel)));
    for (id, reply) in (1..).zip(replies()) {
        let name = format!("reply.{}", reply_name(&reply));
        all.push((name, framed(AtDaemon::of_daemon(), response(id, reply))));
    }
    all.extend(samples::parts());
    all.extend(samples::words());
    all
}

fn as_text(all: &[Named]) -> String {
    let mut text = format!("version {}\n", fsmon_protocol::VERSION);
    for (name, bytes) in all {
        write!(text, "{name} ").unwrap();
        for byte in bytes {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_bytes_of_every_message_are_those_of_the_golden_file() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire.txt");
    let now = as_text(&everything());
    if std::env::var_os("FSMON_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap();
    for (now, golden) in now.lines().zip(golden.lines()) {
        assert_eq!(now, golden, "the wire changed: see how to change it at the head of this test");
    }
    assert_eq!(now.lines().count(), golden.lines().count(), "messages were added or removed");
}

#[test]
fn every_method_has_its_sample() {
    assert_eq!(requests().iter().map(request_name).collect::<Vec<_>>(), METHODS);
    assert_eq!(replies().iter().map(reply_name).collect::<Vec<_>>(), METHODS);
}

#[test]
fn every_request_comes_back_as_it_was() {
    for (id, request) in (1..).zip(requests()) {
        let sent = framed(AtClient::of_client(), message(id, request));
        let mut bytes = BytesMut::from(&sent[..]);
        let taken = AtDaemon::of_daemon().decode(&mut bytes).unwrap().unwrap();
        assert!(bytes.is_empty());
        let ClientMessage::Request(Request { id, message: request, .. }) = taken else { panic!("not a request") };
        assert_eq!(framed(AtClient::of_client(), message(id, request)), sent);
    }
}

#[test]
fn every_reply_comes_back_as_it_was() {
    for (id, reply) in (1..).zip(replies()) {
        let sent = framed(AtDaemon::of_daemon(), response(id, reply));
        let mut bytes = BytesMut::from(&sent[..]);
        let taken = AtClient::of_client().decode(&mut bytes).unwrap().unwrap();
        assert!(bytes.is_empty());
        assert_eq!(framed(AtDaemon::of_daemon(), taken), sent);
    }
    let refused = ServerError::new(std::io::ErrorKind::WouldBlock, "too many".into());
    let response = tarpc::Response::<FsmonResponse> { request_id: 3, message: Err(refused) };
    let sent = framed(AtDaemon::of_daemon(), response);
    let taken = AtClient::of_client().decode(&mut BytesMut::from(&sent[..])).unwrap().unwrap();
    assert_eq!(taken.message.unwrap_err().detail, "too many");
}

#[test]
fn values_come_back_equal() {
    let records = samples::records();
    assert_eq!(decode::<Vec<fsmon_protocol::Record>>(&encode(&records).unwrap()).unwrap(), records);
    let spec = samples::spec();
    assert_eq!(decode::<WatchSpec>(&encode(&spec).unwrap()).unwrap(), spec);
    assert_eq!(decode::<Options>(&encode(&Options::default()).unwrap()).unwrap(), Options::default());
    let rules = Rules::from_options(&spec.options);
    assert_eq!(decode::<Rules>(&encode(&rules).unwrap()).unwrap(), rules);
}

#[test]
fn the_deadline_of_a_context_is_one_that_the_daemon_takes() {
    for wait in [std::time::Duration::ZERO, LONGEST_WAIT, std::time::Duration::MAX] {
        let context = context(wait);
        assert!(context.deadline.duration_since(std::time::Instant::now()) < LONGEST_DEADLINE);
        let request = Request { context, id: 1, message: FsmonRequest::Status {} };
        let sent = framed(AtClient::of_client(), ClientMessage::Request(request));
        AtDaemon::of_daemon().decode(&mut BytesMut::from(&sent[..])).unwrap().unwrap();
    }
}
