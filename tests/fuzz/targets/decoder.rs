//! Whatever comes over the socket: it becomes a request, or an error, and never a panic or much memory.
#![no_main]

use fsmon_protocol::rpc::codec::{DaemonWire, LONGEST_DEADLINE, encode};
use fsmon_protocol::rpc::{FsmonRequest, FsmonResponse};
use libfuzzer_sys::fuzz_target;
use tarpc::ClientMessage;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder;

fuzz_target!(|bytes: &[u8]| {
    let mut wire = DaemonWire::<FsmonRequest, FsmonResponse>::of_daemon();
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Some(message)) = wire.decode(&mut buffer) {
        if let ClientMessage::Request(request) = &message {
            let left = request.context.deadline.saturating_duration_since(std::time::Instant::now());
            assert!(left <= LONGEST_DEADLINE, "an absurd deadline came through: {left:?}");
        }
        // What was read can be written.
        encode(&message).expect("a message that was read");
    }
});
