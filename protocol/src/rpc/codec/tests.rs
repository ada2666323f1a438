//! The guarded codec against hostile frames.

use tokio_util::codec::Decoder;

use super::*;
use crate::rpc::{FsmonRequest, FsmonResponse};

type AtDaemon = DaemonWire<FsmonRequest, FsmonResponse>;
type AtClient = ClientWire<FsmonRequest, FsmonResponse>;

fn frame(body: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::from(&u32::try_from(body.len()).unwrap().to_be_bytes()[..]);
    bytes.extend_from_slice(body);
    bytes
}

/// What the daemon makes of one frame with this body.
fn at_daemon(body: &[u8]) -> io::Result<Option<ClientMessage<FsmonRequest>>> {
    AtDaemon::of_daemon().decode(&mut frame(body))
}

/// A request for the status with this deadline, written by hand.
fn with_deadline(secs: u64, nanos: u32) -> Vec<u8> {
    let trace = ([0u8; 16], 0u64, 1u32);
    options().serialize(&(0u32, secs, nanos, trace, 1u64, 0u32)).unwrap()
}

#[test]
fn a_request_written_by_hand_is_understood() {
    let Some(ClientMessage::Request(request)) = at_daemon(&with_deadline(10, 0)).unwrap() else {
        panic!("not a request");
    };
    assert_eq!(request.id, 1);
    assert!(matches!(request.message, FsmonRequest::Status {}));
    assert!(at_daemon(&with_deadline(LONGEST_DEADLINE.as_secs(), 0)).is_ok());
}

#[test]
fn deadlines_that_would_make_tarpc_panic_are_refused() {
    const TEN_YEARS: u64 = 10 * 365 * 86_400;
    for (secs, nanos) in [
        (LONGEST_DEADLINE.as_secs(), 1),
        (LONGEST_DEADLINE.as_secs() + 1, 0),
        (3 * 365 * 86_400, 0),
        (TEN_YEARS, 0),
        (8_000 * 365 * 86_400, 0),
        (u64::MAX, 0),
        (u64::MAX, 999_999_999),
        (u64::MAX, u32::MAX),
        (0, u32::MAX),
    ] {
        // Nanoseconds beyond a second are carried over by serde, so the last of them is 4 s and fine.
        let refused = at_daemon(&with_deadline(secs, nanos));
        if secs == 0 {
            assert!(refused.is_ok(), "{secs} {nanos}");
        } else {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidData, "{secs} {nanos}");
        }
    }
    let error = at_daemon(&with_deadline(TEN_YEARS, 0)).unwrap_err().to_string();
    assert!(error.contains("315360000 s") && error.contains("600 s"), "{error}");
}

#[test]
fn the_length_of_a_frame_is_checked_before_its_content_comes() {
    for (length, fits) in [(1u32 << 20, true), ((1 << 20) + 1, false), (16 << 20, false), (u32::MAX, false)] {
        let mut header = BytesMut::from(&length.to_be_bytes()[..]);
        let taken = AtDaemon::of_daemon().decode(&mut header);
        assert_eq!(taken.is_ok(), fits, "{length}");
        assert!(header.capacity() <= LONGEST_REQUEST + 64, "{length}: {} bytes kept ready", header.capacity());
    }
    let mut header = BytesMut::from(&(16u32 << 20).to_be_bytes()[..]);
    assert!(AtClient::of_client().decode(&mut header).unwrap().is_none());
    let mut header = BytesMut::from(&((16u32 << 20) + 1).to_be_bytes()[..]);
    assert!(AtClient::of_client().decode(&mut header).is_err());
}

#[test]
fn a_message_that_is_too_long_is_not_sent() {
    let request = |length| {
        let message = FsmonRequest::LogLevel { level: "x".repeat(length) };
        ClientMessage::Request(tarpc::Request { context: tarpc::context::current(), id: 1, message })
    };
    let mut bytes = BytesMut::new();
    AtClient::of_client().encode(request(LONGEST_REQUEST - 100), &mut bytes).unwrap();
    assert!(AtClient::of_client().encode(request(LONGEST_REQUEST), &mut bytes).is_err());
    let reply = |length| {
        let refusal = crate::ApiError::refused("x".repeat(length));
        Response { request_id: 1, message: Ok(FsmonResponse::Stop(Err(refusal))) }
    };
    let mut bytes = BytesMut::new();
    AtDaemon::of_daemon().encode(reply(LONGEST_REPLY - 100), &mut bytes).unwrap();
    assert!(AtDaemon::of_daemon().encode(reply(LONGEST_REPLY), &mut bytes).is_err());
}

#[test]
fn lengths_inside_that_lie_are_errors_without_memory() {
    let head = |method: u32| {
        let trace = ([0u8; 16], 0u64, 1u32);
        options().serialize(&(0u32, 10u64, 0u32, trace, 1u64, method)).unwrap()
    };
    // `show` takes a string, `pause` a list of strings.
    for method in [4, 7] {
        for length in [1u64 << 20, 1 << 32, 1 << 60, u64::MAX] {
            let mut body = head(method);
            body.extend(options().serialize(&length).unwrap());
            assert!(at_daemon(&body).is_err(), "method {method}, length {length}");
        }
    }
    // A list of empty strings is the worst that fits: 24 bytes of memory for each byte that was sent.
    let mut body = head(7);
    body.extend(options().serialize(&1_000_000u64).unwrap());
    body.resize(body.len() + 1_000_000, 0);
    assert!(at_daemon(&body).is_ok());
    assert!(at_daemon(&head(u32::MAX)).is_err());
    assert!(at_daemon(&head(1000)).is_err());
}

#[test]
fn truncated_and_prolonged_messages_are_errors() {
    let whole = with_deadline(10, 0);
    for length in 0..whole.len() {
        assert!(at_daemon(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
        let mut part = frame(&whole);
        part.truncate(length + 4);
        let mut wire = AtDaemon::of_daemon();
        assert!(wire.decode(&mut part).unwrap().is_none(), "a part of a frame is waited for");
        let end = wire.decode_eof(&mut part);
        assert!(end.is_err() || length == 0 && matches!(end, Ok(None)), "and at the end it is never a message");
    }
    let mut longer = whole;
    longer.push(0);
    assert!(at_daemon(&longer).is_err());
}

/// xorshift64*, so that a failure can be had again.
fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

#[test]
fn random_bytes_never_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..50_000 {
        let length = usize::try_from(random(&mut state) % 200).unwrap();
        let mut body: Vec<u8> = (0..length).map(|_| random(&mut state).to_le_bytes()[0]).collect();
        let _ = at_daemon(&body);
        let _ = AtClient::of_client().decode(&mut frame(&body));
        let _ = AtDaemon::of_daemon().decode(&mut BytesMut::from(&body[..]));
        // The same behind a head that is in order, so that the content is reached.
        let mut request = with_deadline(10, 0);
        request.pop();
        request.push((random(&mut state) % 20).to_le_bytes()[0]);
        request.append(&mut body);
        let _ = at_daemon(&request);
    }
}
