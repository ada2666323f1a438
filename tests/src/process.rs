//! Processes by their number: signals, whether they live, and what a test left behind.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait;

/// Sends a signal. No effect on a process that has ended.
pub fn signal(pid: u32, signal: Signal) {
    // A process that is gone is what a signal wants at most; nothing else can go wrong with a process of our own.
    let _ = kill(Pid::from_raw(i32::try_from(pid).expect("a process number")), signal);
}

/// Whether the process runs: neither gone nor a zombie.
pub fn lives(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !matches!(stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()), Some('Z' | 'X')),
        Err(_) if Path::new("/proc/self/stat").exists() => false,
        Err(_) => kill(Pid::from_raw(i32::try_from(pid).expect("a process number")), None).is_ok(),
    }
}

/// Waits for a child to end, for at most `limit`. None if it has not.
pub fn wait_for(child: &mut Child, limit: Duration) -> Option<std::process::ExitStatus> {
    let mut status = None;
    wait::holds_within(limit, || {
        status = child.try_wait().expect("a child of ours can be waited for");
        status.is_some()
    });
    status
}

/// The commands that run, or were left, for watches below this folder. Empty where there is no `/proc`.
pub fn of_commands_below(folder: &Path) -> Vec<u32> {
    let wanted = [b"FSMON_ROOT=", folder.as_os_str().as_bytes(), b"/"].concat();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(&wanted))
        })
        .collect()
}

/// Whether this process is root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
