//! The first ten bytes of a connection, both ways: who speaks, and which version.
//!
//! Each side sends its own at once and then reads the other's, in bounded time. bincode describes nothing by itself,
//! so two versions must part before the first message. These ten bytes can never change: eight of magic, then the
//! version as two bytes, little endian.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a connection between fsmonctl and fsmond begins with, in both directions.
pub const MAGIC: [u8; 8] = *b"fsmond\r\n";

/// Magic and version.
pub const LENGTH: usize = 10;

/// How long the other side has for its preamble.
pub const LONGEST_TIME: Duration = Duration::from_secs(10);

/// Why two ends do not go on.
#[derive(Debug, thiserror::Error)]
pub enum PreambleError {
    /// Reading or writing failed, or the other side hung up.
    #[error("the other side hung up: {0}")]
    Io(#[from] io::Error),
    /// Nothing came in time.
    #[error("the other side did not say who it is within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// What came is something else.
    #[error("the other side does not speak fsmond's language")]
    Stranger,
    /// The other side is of another version.
    #[error("the other side speaks version {theirs}, this side {ours}")]
    Version {
        /// What this side speaks.
        ours: u16,
        /// What the other side speaks.
        theirs: u16,
    },
}

/// The ten bytes of `version`.
pub fn preamble(version: u16) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..].copy_from_slice(&version.to_le_bytes());
    bytes
}

/// Sends the own version and checks the other side's, within `limit`.
pub async fn exchange<S>(stream: &mut S, ours: u16, limit: Duration) -> Result<(), PreambleError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let both = async {
        // Ten bytes fit into every socket's buffer, so neither side can wait for the other to read first. Where the
        // other side has hung up already, what it said before still tells why.
        let sent = stream.write_all(&preamble(ours)).await;
        let mut theirs = [0; LENGTH];
        stream.read_exact(&mut theirs).await?;
        check(theirs, ours)?;
        Ok(sent?)
    };
    tokio::time::timeout(limit, both).await.map_err(|_| PreambleError::TimedOut(limit))?
}

fn check(bytes: [u8; LENGTH], ours: u16) -> Result<(), PreambleError> {
    let [magic @ .., low, high] = bytes;
    if magic != MAGIC {
        return Err(PreambleError::Stranger);
    }
    match u16::from_le_bytes([low, high]) {
        theirs if theirs == ours => Ok(()),
        theirs => Err(PreambleError::Version { ours, theirs }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one side says of these bytes from the other.
    async fn answer(sent: &[u8], hang_up: bool) -> Result<(), PreambleError> {
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(sent).await.unwrap();
        let keep = (!hang_up).then_some(theirs);
        let result = exchange(&mut ours, 7, Duration::from_millis(50)).await;
        drop(keep);
        result
    }

    #[tokio::test]
    async fn two_of_one_version_agree() {
        let (mut a, mut b) = tokio::io::duplex(64);
        let limit = Duration::from_secs(10);
        let (left, right) = tokio::join!(exchange(&mut a, 7, limit), exchange(&mut b, 7, limit));
        left.unwrap();
        right.unwrap();
    }

    #[tokio::test]
    async fn each_side_of_two_versions_knows_both() {
        let (mut a, mut b) = tokio::io::duplex(64);
        let limit = Duration::from_secs(10);
        let (left, right) = tokio::join!(exchange(&mut a, 7, limit), exchange(&mut b, 258, limit));
        assert!(matches!(left, Err(PreambleError::Version { ours: 7, theirs: 258 })), "{left:?}");
        assert!(matches!(right, Err(PreambleError::Version { ours: 258, theirs: 7 })), "{right:?}");
    }

    #[tokio::test]
    async fn strangers_hang_ups_and_silence_end_cleanly() {
        answer(&preamble(7), false).await.unwrap();
        assert!(matches!(answer(b"GET / HTTP/1.1\r\n", false).await, Err(PreambleError::Stranger)));
        assert!(matches!(answer(b"", true).await, Err(PreambleError::Io(_))));
        assert!(matches!(answer(&preamble(8), true).await, Err(PreambleError::Version { theirs: 8, .. })));
        assert!(matches!(answer(b"fsmond\r\n", true).await, Err(PreambleError::Io(_))));
        assert!(matches!(answer(b"fsmond", false).await, Err(PreambleError::TimedOut(_))));
    }

    #[test]
    fn the_bytes_never_change() {
        assert_eq!(preamble(0x0102), *b"fsmond\r\n\x02\x01");
    }
}
