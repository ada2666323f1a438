//! Learning that a child has exited without reaping it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::readable::Readable;

/// How often a child is asked for where nothing tells: only when neither of the two ways below can be had.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Waits for one child's exit.
pub(super) struct Exit {
    child: Pid,
    tells: Tells,
}

/// What tells that it may be worth to ask.
enum Tells {
    /// A descriptor of the process, readable once it has exited (Linux 5.3 and later).
    Descriptor(Readable),
    /// SIGCHLD: some child has exited.
    Signal(Signal),
    /// Nothing.
    Time,
}

impl Exit {
    /// Of this child, which must not be reaped yet. Needs a runtime.
    pub(super) fn of(child: Pid) -> Self {
        let tells = descriptor(child)
            .map(|descriptor| Tells::Descriptor(Readable::new(descriptor)))
            .or_else(|| signal(SignalKind::child()).ok().map(Tells::Signal))
            .unwrap_or(Tells::Time);
        Self { child, tells }
    }

    /// Whether the child exits within this time, learnt without the runtime. Blocks. False says nothing where only the
    /// runtime can tell.
    pub(super) fn comes_within(&self, time: Duration) -> bool {
        match &self.tells {
            Tells::Descriptor(descriptor) => descriptor.comes_within(time),
            Tells::Signal(_) | Tells::Time => false,
        }
    }

    /// Until the child has exited. May be cancelled and asked again.
    pub(super) async fn wait(&mut self) {
        loop {
            match &mut self.tells {
                Tells::Descriptor(descriptor) => {
                    if descriptor.wait().await || has_exited(self.child) {
                        return;
                    }
                }
                Tells::Signal(signal) => {
                    if has_exited(self.child) {
                        return;
                    }
                    // Signals of several children may come as one, and one may come before it was asked for.
                    let _ = tokio::time::timeout(20 * ASK_EVERY, signal.recv()).await;
                }
                Tells::Time => {
                    if has_exited(self.child) {
                        return;
                    }
                    tokio::time::sleep(ASK_EVERY).await;
                }
            }
        }
    }
}

/// Whether this child has exited. It is left as a zombie. An error means that it is no child (any more).
fn has_exited(child: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(child), options), Ok(None) | Err(rustix::io::Errno::INTR))
}

#[cfg(target_os = "linux")]
fn descriptor(child: Pid) -> Option<OwnedFd> {
    use rustix::process::{PidfdFlags, pidfd_open};
    pidfd_open(child, PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn descriptor(_child: Pid) -> Option<OwnedFd> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_way_learns_of_the_exit_and_leaves_the_zombie() {
        for way in ["descriptor", "signal", "time"] {
            let mut child = std::process::Command::new("sh").args(["-c", "sleep 0.05; exit 7"]).spawn().unwrap();
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            let tells = match way {
                "descriptor" => descriptor(pid).map_or(Tells::Time, |fd| Tells::Descriptor(Readable::new(fd))),
                "signal" => Tells::Signal(signal(SignalKind::child()).unwrap()),
                _ => Tells::Time,
            };
            let mut exit = Exit { child: pid, tells };
            tokio::time::timeout(Duration::from_secs(20), exit.wait()).await.expect(way);
            exit.wait().await;
            assert!(has_exited(pid));
            assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(7), "{way}");
        }
    }
}
