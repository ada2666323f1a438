//! Lines on stderr.

use std::io::Write;

use super::queue::Sink;

/// The console. Once it is gone (its terminal closed, its pipe broken) it takes nothing more.
#[derive(Debug, Default)]
pub struct Stderr {
    gone: bool,
}

impl Sink for Stderr {
    fn write(&mut self, lines: &str) -> u64 {
        if self.gone {
            // Nobody is there to read a count: not written is not lost.
            return 0;
        }
        let mut rest = lines.as_bytes();
        let mut stderr = std::io::stderr().lock();
        while !rest.is_empty() {
            match stderr.write(rest) {
                Ok(0) => break,
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => wait_for_room(),
                Err(_) => break,
            }
        }
        self.gone = !rest.is_empty();
        0
    }
}

/// Whether stderr leads to systemd's journal: `JOURNAL_STREAM` names the very file. It may be inherited from a service
/// whose output went there while ours goes elsewhere.
pub fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(std::io::stderr()).is_ok_and(|facts| named == format!("{}:{}", facts.st_dev, facts.st_ino))
}

/// Waits until stderr takes more: somebody else may have made it non-blocking, since it is shared.
fn wait_for_room() {
    let stderr = std::io::stderr();
    let mut wanted = [rustix::event::PollFd::new(&stderr, rustix::event::PollFlags::OUT)];
    let _ = rustix::event::poll(&mut wanted, None);
}
