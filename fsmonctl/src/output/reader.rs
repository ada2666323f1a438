//! Ends fsmonctl quietly when nobody reads its output any more, also while there is nothing to write.
//!
//! `fsmonctl tail | head -1` would otherwise stay until the next record. It must never end a program whose output goes
//! to a file or a terminal that is still there.

use std::io;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Starts a thread that waits for the other end of stdout to close. Without it, the next write finds out.
pub fn watch() {
    let waiter = std::thread::Builder::new().name("reader".into());
    let _ = waiter.spawn(|| {
        let stdout = io::stdout();
        // With nothing asked for, poll(2) still tells of an error (a pipe without readers) and of a hang-up.
        let mut stdout = [PollFd::new(&stdout, PollFlags::empty())];
        loop {
            match poll(&mut stdout, None) {
                Ok(_) if stdout[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => std::process::exit(0),
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return,
            }
        }
    });
}
