//! How messages become bytes: bincode in length-delimited frames, guarded.
//!
//! The only module that knows bincode. Both directions use the same options: little endian, variable-length integers,
//! bytes left over are an error. bincode's own limit does nothing for bytes in memory, so the length of a frame is
//! what bounds an allocation: small towards the daemon, larger towards the client.
//!
//! A request's deadline is checked here, before tarpc sees it: tarpc 0.38 adds it to a clock and to a timer queue, and
//! panics when it is absurd. Nothing here may panic or allocate more than a frame's length allows, whatever comes in.

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use bincode::Options;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tarpc::{ClientMessage, Response};
use tokio_util::bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

/// Longest message that the daemon takes, in bytes.
pub const LONGEST_REQUEST: usize = 1 << 20;
/// Longest message that a client takes, in bytes.
pub const LONGEST_REPLY: usize = 16 << 20;
/// Longest time that a request may give the daemon.
pub const LONGEST_DEADLINE: Duration = Duration::from_secs(600);

/// The options of every message, both ways.
fn options() -> impl Options {
    bincode::DefaultOptions::new().with_little_endian().with_varint_encoding().reject_trailing_bytes()
}

/// The bytes of a message, without its frame.
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    options().serialize(message).map_err(invalid)
}

/// A message from its bytes, all of them.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    options().deserialize(bytes).map_err(invalid)
}

fn invalid(error: bincode::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The first bytes of every message that a client sends, in the order in which tarpc's [`ClientMessage`] has them.
#[derive(Deserialize)]
enum Head {
    Request {
        /// Relative: a request carries how long it may take, not until when.
        deadline: Duration,
    },
    Cancel {},
}

/// Refuses a message from a client whose deadline would make tarpc panic.
fn check_deadline(bytes: &[u8]) -> io::Result<()> {
    match options().allow_trailing_bytes().deserialize(bytes).map_err(invalid)? {
        Head::Request { deadline } if deadline > LONGEST_DEADLINE => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a request's deadline is {} s away, at most {} s are allowed", deadline.as_secs(), {
                LONGEST_DEADLINE.as_secs()
            }),
        )),
        Head::Request { .. } | Head::Cancel {} => Ok(()),
    }
}

/// One end of a connection: takes frames with `In`, gives frames with `Out`.
#[derive(Debug)]
pub struct Wire<In, Out> {
    taking: LengthDelimitedCodec,
    giving: LengthDelimitedCodec,
    check: fn(&[u8]) -> io::Result<()>,
    messages: PhantomData<fn(Out) -> In>,
}

/// The daemon's end.
pub type DaemonWire<Request, Reply> = Wire<ClientMessage<Request>, Response<Reply>>;
/// The client's end.
pub type ClientWire<Request, Reply> = Wire<Response<Reply>, ClientMessage<Request>>;

impl<Request, Reply> DaemonWire<Request, Reply> {
    /// Takes requests with a sane deadline, gives replies.
    pub fn of_daemon() -> Self {
        Self::new(LONGEST_REQUEST, LONGEST_REPLY, check_deadline)
    }
}

impl<Request, Reply> ClientWire<Request, Reply> {
    /// Takes replies, gives requests.
    pub fn of_client() -> Self {
        Self::new(LONGEST_REPLY, LONGEST_REQUEST, |_| Ok(()))
    }
}

impl<In, Out> Wire<In, Out> {
    fn new(longest_in: usize, longest_out: usize, check: fn(&[u8]) -> io::Result<()>) -> Self {
        let frames = |longest| LengthDelimitedCodec::builder().max_frame_length(longest).new_codec();
        Self { taking: frames(longest_in), giving: frames(longest_out), check, messages: PhantomData }
    }
}

impl<In: DeserializeOwned, Out> Decoder for Wire<In, Out> {
    type Item = In;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<In>> {
        let Some(frame) = self.taking.decode(buffer)? else {
            return Ok(None);
        };
        (self.check)(&frame)?;
        decode(&frame).map(Some)
    }
}

impl<In, Out: Serialize> Encoder<Out> for Wire<In, Out> {
    type Error = io::Error;

    fn encode(&mut self, message: Out, buffer: &mut BytesMut) -> io::Result<()> {
        self.giving.encode(Bytes::from(encode(&message)?), buffer)
    }
}

#[cfg(test)]
mod tests;
