//! Processes as Linux shows them in `/proc`, and signals to exactly the one that was meant.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// One process, as it was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// When it was started, in ticks since boot: with its number it tells a process from every other of this boot.
    pub(super) started: u64,
}

/// All processes that can be seen now and still live; zombies do not.
pub(super) fn all() -> impl Iterator<Item = Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| read(entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?))
}

/// One process, where it is there and lives.
pub(super) fn read(pid: Pid) -> Option<Process> {
    let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    parse(pid, &stat)
}

/// This process. Its group or session is 0 where that has its leader outside of our process namespace, as in a container
/// that somebody entered: the system calls' wrappers take 0 for impossible, `/proc` just says it.
pub(super) fn own() -> Option<Process> {
    read(rustix::process::getpid())
}

/// See `man 5 proc_pid_stat`. The second field is the program's name in parentheses and may hold anything, so the others
/// are counted from its end.
fn parse(pid: Pid, stat: &[u8]) -> Option<Process> {
    let after_name = stat.iter().rposition(|&b| b == b')')? + 1;
    let fields: Vec<&str> = std::str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3);
    if matches!(*field(3)?, "Z" | "X" | "x") {
        return None;
    }
    Some(Process {
        pid,
        parent: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        started: field(22)?.parse().ok()?,
    })
}

/// Sends a signal to this very process, or to none: never to another that has taken its number.
pub(super) fn send(process: &Process, signal: Signal) -> bool {
    let Ok(descriptor) = pidfd_open(process.pid, PidfdFlags::empty()) else { return false };
    // The descriptor stands for whoever has the number now; if that is still the same process, it always will.
    let same = read(process.pid).is_some_and(|now| now.started == process.started);
    same && pidfd_send_signal(descriptor, signal).is_ok()
}

/// The environment a process was started with, `NAME=VALUE` each; none where it may not be read.
pub(super) fn environment(pid: Pid) -> Option<Vec<u8>> {
    std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()
}

/// The value of one name in such an environment.
pub(super) fn value<'a>(environment: &'a [u8], name: &str) -> Option<&'a [u8]> {
    environment.split(|&b| b == 0).find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_fields() {
        let stat = b"42 (a) Z 1 1 (x) ) S 7 8 9 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 1234 0 0";
        let process = parse(Pid::from_raw(42).unwrap(), stat).unwrap();
        assert_eq!((process.parent, process.group, process.session, process.started), (7, 8, 9, 1234));
        assert_eq!(parse(process.pid, b"42 (a) Z 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1234 0"), None);
        assert_eq!(parse(process.pid, b"42 (a"), None);
    }

    #[test]
    fn values_are_found_by_their_whole_name() {
        let environment = b"XFSMON_RUN=1\0FSMON_RUN=2\0FSMON_RUNS=3\0";
        assert_eq!(value(environment, "FSMON_RUN"), Some(&b"2"[..]));
        assert_eq!(value(environment, "FSMON"), None);
    }

    #[test]
    fn this_process_is_seen() {
        let me = own().unwrap();
        assert_eq!(all().find(|process| process.pid == me.pid), Some(me));
    }
}
