//! What is left of a run's group after its leader: told to end, then killed, so that nothing of a run outlives it.
//!
//! The leader is reaped by now, so the group's number is ours only as long as somebody is left in the group. On Linux
//! signals therefore go to single processes that are proven to belong to it; elsewhere the group is asked whether it
//! is still there right before it is signalled. A process that has left the group is not looked for here.

use std::time::Duration;

use rustix::process::{Pid, Signal, test_kill_process_group};
use tokio::time::{Instant, sleep};

/// How long a killed process may take to disappear before the run is reported all the same.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// The first pause between two looks at the group; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Whether anybody may be left in this group. Sends nothing. Exact where the answer is no.
pub(super) fn group_may_live(group: Pid) -> bool {
    test_kill_process_group(group) != Err(rustix::io::Errno::SRCH)
}

/// Waits until the group is empty, which was asked to end before; from `kill_at` on, which is asked again and again
/// since it may come nearer, its processes are killed. False where something is left that cannot be killed.
pub(super) async fn end(group: Pid, kill_at: impl Fn() -> Instant) -> bool {
    let mut pause = FIRST_PAUSE;
    while lives(group) {
        let kill_at = kill_at();
        let now = Instant::now();
        if now >= kill_at + AFTER_KILL {
            return false;
        }
        if now >= kill_at {
            signal(group, Signal::KILL);
            sleep(FIRST_PAUSE).await;
        } else {
            sleep(pause.min(kill_at - now)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
    true
}

/// The processes of a run's group: those with its number that are in our session, as all that we start are unless
/// they leave their group too. So a group of somebody else that took the number is not mistaken for it.
#[cfg(target_os = "linux")]
fn members(group: Pid) -> impl Iterator<Item = super::processes::Process> {
    let session = super::processes::own().map_or(0, |own| own.session);
    let group = group.as_raw_nonzero().get();
    super::processes::all().filter(move |process| process.group == group && process.session == session)
}

#[cfg(target_os = "linux")]
fn lives(group: Pid) -> bool {
    if !group_may_live(group) {
        return false;
    }
    // The first process of a container gets all orphans as its children, and there nobody else reaps them.
    if rustix::process::getpid() == Pid::INIT {
        while let Ok(Some(_)) = rustix::process::waitpgid(group, rustix::process::WaitOptions::NOHANG) {}
    }
    // Zombies that nobody reaps keep a group, but nothing of it lives.
    members(group).next().is_some()
}

#[cfg(target_os = "linux")]
fn signal(group: Pid, signal: Signal) {
    for process in members(group) {
        super::processes::send(&process, signal);
    }
}

#[cfg(not(target_os = "linux"))]
fn lives(group: Pid) -> bool {
    group_may_live(group)
}

#[cfg(not(target_os = "linux"))]
fn signal(group: Pid, signal: Signal) {
    let _ = rustix::process::kill_process_group(group, signal);
}
