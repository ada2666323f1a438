//! How a command behaves towards others: its umask and its niceness, where its watch says so.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use fsmon_protocol::spec::{Rules, Umask};
use rustix::fs::Mode;
use rustix::process::{getpriority_process, getuid, setpriority_process, umask};

/// Puts them on a command that is to be started. Refuses a niceness that only root can give.
pub(super) fn put_on(rules: &Rules, command: &mut Command) -> Result<(), String> {
    if let Some(nice) = rules.nice {
        let own = getpriority_process(None).unwrap_or(0);
        if nice < own && !getuid().is_root() {
            return Err(format!("nice {nice} is less nice than the daemon's own {own}, which only root can give"));
        }
    }
    if rules.nice.is_some() || rules.umask.is_some() {
        before_exec(command, rules.nice, rules.umask);
    }
    Ok(())
}

#[allow(unsafe_code, reason = "the standard library sets neither by itself")]
fn before_exec(command: &mut Command, nice: Option<i32>, mask: Option<Umask>) {
    // SAFETY: what runs between fork and exec makes only system calls; it takes no lock and allocates nothing.
    unsafe {
        command.pre_exec(move || behave(nice, mask));
    }
}

#[allow(clippy::useless_conversion, reason = "a mode has another width on each system")]
fn behave(nice: Option<i32>, mask: Option<Umask>) -> io::Result<()> {
    if let Some(Umask(mask)) = mask {
        umask(Mode::from_raw_mode(mask.into()));
    }
    if let Some(nice) = nice {
        setpriority_process(None, nice)?;
    }
    Ok(())
}
