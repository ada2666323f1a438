//! A descriptor of a command that becomes readable: the end of its output that is read, or what stands for its process.
//!
//! A runtime has to be told of a descriptor before it can wait for it, and told again to forget it. Where commands are short
//! that costs more than their end does, so it is told only when it is first asked to wait; whoever has a thread of its own
//! can wait for a moment without it. What cannot be made known to it is looked at again and again.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::unix::pipe::Receiver;
use tokio::time::sleep;

/// How often a descriptor is looked at that the runtime cannot wait for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Such a descriptor, which must not block.
pub(super) struct Readable(Way);

enum Way {
    /// The runtime does not know of it.
    Unknown(OwnedFd),
    /// Of what tokio waits for this takes any descriptor that can be waited for.
    Runtime(Receiver),
}

impl Readable {
    /// Of this one.
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        Self(Way::Unknown(descriptor))
    }

    /// Whether it becomes readable within this time, or shows an error. Blocks; the runtime is not told of it.
    pub(super) fn comes_within(&self, time: Duration) -> bool {
        let descriptor = match &self.0 {
            Way::Unknown(descriptor) => descriptor.as_fd(),
            Way::Runtime(descriptor) => descriptor.as_fd(),
        };
        let Ok(time) = Timespec::try_from(time) else { return false };
        // A signal that comes in between ends it early, which is no harm.
        poll(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)], Some(&time)).is_ok_and(|ready| ready > 0)
    }

    /// Until it is readable: true; or may be so and is to be looked at: false. Needs a runtime. May be cancelled and asked
    /// again.
    pub(super) async fn wait(&mut self) -> bool {
        if let Way::Unknown(descriptor) = &self.0
            // A copy, since what is refused is gone.
            && let Ok(known) = descriptor.try_clone().and_then(Receiver::from_owned_fd_unchecked)
        {
            self.0 = Way::Runtime(known);
        }
        match &self.0 {
            // An error is met again when it is read.
            Way::Runtime(descriptor) if descriptor.readable().await.is_ok() => true,
            _ => {
                sleep(LOOK_EVERY).await;
                false
            }
        }
    }

    /// Reads once, as much as the buffer has room for after what is in it.
    pub(super) fn read(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match &self.0 {
            Way::Unknown(descriptor) => Ok(rustix::io::read(descriptor, spare_capacity(buffer))?),
            Way::Runtime(descriptor) => descriptor.try_read_buf(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn soon(readable: &Readable) -> bool {
        readable.comes_within(Duration::ZERO)
    }

    #[tokio::test]
    async fn it_is_told_with_and_without_the_runtime() {
        let (reader, mut writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let (mut readable, mut buffer) = (Readable::new(reader.into()), Vec::with_capacity(8));
        for _ in 0..2 {
            assert!(!soon(&readable));
            assert_eq!(readable.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            writer.write_all(b"abc").unwrap();
            assert!(readable.comes_within(Duration::from_secs(20)));
            // From now on the runtime knows of it.
            assert!(readable.wait().await);
            assert_eq!(readable.read(&mut buffer).unwrap(), 3);
        }
        assert_eq!(buffer, b"abcabc");
        drop(writer);
        readable.wait().await;
        assert!(soon(&readable));
        assert_eq!(readable.read(&mut buffer).unwrap(), 0);
    }

    #[tokio::test]
    async fn what_the_runtime_cannot_wait_for_is_looked_at_again() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        file.rewind().unwrap();
        let (mut readable, mut buffer) = (Readable::new(file.into()), Vec::with_capacity(8));
        assert!(!readable.wait().await);
        assert!(matches!(readable.0, Way::Unknown(_)));
        assert_eq!(readable.read(&mut buffer).unwrap(), 3);
    }
}
