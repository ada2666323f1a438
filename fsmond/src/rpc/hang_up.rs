//! A stream that tells when the client has hung up.
//!
//! tarpc itself only notices once nothing is being answered any more, so a long wait would outlive its client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

/// See the module.
#[derive(Debug)]
pub struct HangUp<S> {
    stream: S,
    hung_up: CancellationToken,
}

impl<S> HangUp<S> {
    /// `hung_up` is cancelled at the end of what the client sends: ours close only the whole connection.
    pub const fn new(stream: S, hung_up: CancellationToken) -> Self {
        Self { stream, hung_up }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HangUp<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for HangUp<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
