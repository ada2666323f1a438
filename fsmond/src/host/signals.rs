//! Signals, as one stream of what they ask for.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Stop cleanly (the first SIGTERM or SIGINT).
    Stop,
    /// Stop at once (any further one).
    StopNow,
    /// Read the config and open the log file again (SIGHUP).
    Reload,
}

/// Undoes what whoever started this process did to its signals. Blocked ones are let through: a daemon that inherits a
/// blocked SIGTERM would never stop. SIGCHLD is told again: while it is ignored the system forgets how children ended.
/// To be called before the first thread, since each has the mask of the one that started it.
#[allow(unsafe_code, reason = "setting a signal's disposition has no safe interface")]
pub fn undo_inherited() {
    use nix::sys::signal::{SigHandler, SigSet, Signal, signal};

    // SAFETY: no handler is installed, so nothing can run at a bad moment; and there is no other thread yet.
    let told = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
    // Both fail only for signals that there are not.
    let _ = told.and(SigSet::all().thread_unblock());
}

/// The signals the daemon listens to. From [`Signals::listen`] on they no longer end the process by themselves.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    stopping: bool,
}

impl Signals {
    /// Begins to listen. Only within a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            stopping: false,
        })
    }

    /// Waits for the next one. Cancel-safe: dropping the future loses no signal.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => self.stop(),
            _ = self.interrupt.recv() => self.stop(),
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    fn stop(&mut self) -> Asked {
        if std::mem::replace(&mut self.stopping, true) { Asked::StopNow } else { Asked::Stop }
    }
}
