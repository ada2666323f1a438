//! A connection's stream that notices two things tarpc does not: that the client has hung up while a request is being
//! answered, and that it does not take what it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// See the module.
#[derive(Debug)]
pub struct Guarded {
    stream: UnixStream,
    hung_up: CancellationToken,
    longest_stall: Duration,
    stall: Pin<Box<Sleep>>,
    stalled: bool,
}

impl Guarded {
    /// `hung_up` is cancelled at the end of what the client sends. A write that the client takes nothing of for
    /// `longest_stall` fails with [`io::ErrorKind::TimedOut`].
    pub fn new(stream: UnixStream, hung_up: CancellationToken, longest_stall: Duration) -> Self {
        Self { stream, hung_up, longest_stall, stall: Box::pin(sleep_until(Instant::now())), stalled: false }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let ended = match &read {
            Poll::Ready(Ok(())) => buffer.remaining() > 0 && buffer.filled().len() == before,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if ended {
            self.hung_up.cancel();
        }
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.stalled = false;
            return written;
        }
        if !self.stalled {
            self.stalled = true;
            let until = Instant::now() + self.longest_stall;
            self.stall.as_mut().reset(until);
        }
        match self.stall.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no replies"))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
