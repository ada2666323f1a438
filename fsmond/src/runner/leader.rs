//! The process a run consists of and leads the group of: started, told apart from everybody else, ended, reaped.
//!
//! A process group is known by a number that the system gives away again once the group is empty and its leader
//! reaped. So the whole group is only ever signalled while its leader is there or a zombie that we have not reaped:
//! that the leader has exited is learnt without reaping it. What is left of a group after that is ended by
//! [`super::stragglers`].

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::exit::Exit;

/// A started command. Dropping one that was not reaped kills its group: no path out of a run leaves it behind.
pub(super) struct Leader {
    child: Option<Child>,
    group: Pid,
    exit: Exit,
}

impl Leader {
    /// Starts this command as the leader of a new group. Blocks until its program is loaded, which can take long on a
    /// slow file system. Needs a runtime.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        // Without anything to do between fork and exec (as with `--run-as`) the standard library uses posix_spawn.
        let child = command.process_group(0).spawn()?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let group = group.ok_or_else(|| io::Error::other("the system gave a process an impossible number"))?;
        Ok(Self { child: Some(child), group, exit: Exit::of(group) })
    }

    /// The group's number, which is the leader's.
    pub(super) fn group(&self) -> Pid {
        self.group
    }

    /// Waits until the leader has exited. It is not reaped. May be cancelled and asked again.
    pub(super) async fn exited(&mut self) {
        self.exit.wait().await;
    }

    /// Whether it exits within this time. Blocks. False says nothing where that cannot be told.
    pub(super) fn exits_within(&self, time: Duration) -> bool {
        self.exit.comes_within(time)
    }

    /// Asks the whole group to end. Stopped processes are continued, or else they would never hear of it.
    pub(super) fn ask_group_to_end(&self) {
        self.signal_group(Signal::TERM);
        self.signal_group(Signal::CONT);
    }

    /// Kills the whole group.
    pub(super) fn kill_group(&self) {
        self.signal_group(Signal::KILL);
    }

    /// Only while the child is not reaped, see above. A group of zombies, or of others' processes, is no error.
    fn signal_group(&self, signal: Signal) {
        if self.child.is_some() {
            let _ = kill_process_group(self.group, signal);
        }
    }

    /// Reaps the leader, which must have exited. From then on nothing can be signalled through it.
    pub(super) fn reap(&mut self) -> io::Result<ExitStatus> {
        match self.child.take() {
            Some(mut child) => child.wait(),
            None => Err(io::Error::other("reaped twice")),
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.kill_group();
        if let Some(mut child) = self.child.take()
            && !matches!(child.try_wait(), Ok(Some(_)))
        {
            // Rare: the daemon goes down at once, or gives a command up that cannot be killed now. A thread of its own
            // may wait as long as it takes; without one the child is reaped when the daemon ends.
            let _ = std::thread::Builder::new().name("reaper".into()).spawn(move || child.wait());
        }
    }
}
