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
