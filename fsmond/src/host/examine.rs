//! What the system grants this process, and what is used of it: for `doctor`. Reads, and changes nothing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use fsmon_protocol::RawPath;
use fsmon_protocol::doctor::Finding;
use fsmon_protocol::units::{Size, Timestamp};
use rustix::process::{Resource, getrlimit};

use super::bounds::Bounds;

/// No clock that is right shows less: the first of January 2025.
pub const EARLIEST: Timestamp = Timestamp(1_735_689_600_000_000_000);
/// Less room than this for the state is too little.
const LEAST_ROOM: u64 = 64 << 20;
/// Fewer files than this that can be made there are too few.
const LEAST_FILES: u64 = 1000;

/// What is used of the limits of inotify.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Folders armed, over all watches.
    pub folders: u64,
    /// How often the kernel's queue was full since the start.
    pub overflows: u64,
}

/// The limits of inotify against what is needed.
pub fn limits(used: Used) -> Vec<Finding> {
    let Some([watches, instances, queue]) = inotify_limits() else {
        return vec![Finding::note("limits", "this system does not tell the limits on watched folders", None)];
    };
    let ours = own_instances();
    vec![
        against("watches", "fs.inotify.max_user_watches", used.folders, watches, 8192),
        against("instances", "fs.inotify.max_user_instances", ours, instances, 128),
        queue_finding(used.overflows, queue),
    ]
}

/// One limit of this user: well while a quarter of it is left, since other programs of the user count too.
fn against(topic: &str, key: &str, used: u64, limit: u64, least: u64) -> Finding {
    let message = format!("{used} used here of {limit} for all programs of this user ({key})");
    if used + used / 3 < limit {
        return Finding::well(topic, message);
    }
    Finding::bad(topic, message, sysctl(key, (used * 2).next_power_of_two().max(least)))
}

fn queue_finding(overflows: u64, limit: u64) -> Finding {
    let key = "fs.inotify.max_queued_events";
    if overflows == 0 {
        return Finding::well("queue", format!("it was never full since the start; it takes {limit} events ({key})"));
    }
    let message = format!("it was full {overflows} times since the start; it takes {limit} events ({key})");
    Finding::bad("queue", message, sysctl(key, (limit * 4).next_power_of_two()))
}

/// The line that raises it now, and where to write it so that it stays.
fn sysctl(key: &str, value: u64) -> String {
    format!("sysctl -w {key}={value} (to stay: the line {key} = {value} in /etc/sysctl.d/60-fsmond.conf)")
}

/// Watches, instances, length of the queue.
fn inotify_limits() -> Option<[u64; 3]> {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse().ok();
    Some([read("max_user_watches")?, read("max_user_instances")?, read("max_queued_events")?])
}

/// How many inotify instances this process holds.
fn own_instances() -> u64 {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let links = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter(|link| link.as_os_str() == "anon_inode:inotify").count() as u64
}

/// Open files against their limit.
pub fn descriptors() -> Finding {
    let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    let open = fs::read_dir(folder).map_or(0, |entries| entries.count() as u64);
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return Finding::well("descriptors", format!("{open} open, without a limit"));
    };
    let message = format!("{open} open of {limit}");
    // Each command that runs takes a handful while it is started.
    if open + 128 < limit {
        return Finding::well("descriptors", message);
    }
    Finding::bad("descriptors", message, "LimitNOFILE=65536 in the unit, or ulimit -n 65536 before the start")
}

/// What commands may not do. Most services are meant to have some of it.
pub fn restrictions(bounds: &Bounds) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |message: &str, cure: &str| findings.push(Finding::note("unit", message, Some(cure.to_owned())));
    if bounds.no_new_privileges {
        note("commands can gain no rights: sudo, su and ping fail in them", "if they need it: NoNewPrivileges=no");
    }
    if bounds.filtered {
        note(
            "some system calls are forbidden to commands",
            "if one fails with EPERM or is killed by SIGSYS: less of SystemCallFilter=, RestrictNamespaces=, MemoryDenyWriteExecute=",
        );
    }
    let lacks = |some: u64| bounds.capabilities.is_some_and(|left| left & some != some);
    // CAP_DAC_OVERRIDE.
    if lacks(1 << 1) {
        note("root here may not read what others keep to themselves", "CapabilityBoundingSet= with CAP_DAC_OVERRIDE");
    }
    // CAP_SETGID, CAP_SETUID.
    if lacks(0b11 << 6) {
        note(
            "root here can't become others, so --run-as fails",
            "CapabilityBoundingSet= with CAP_SETUID and CAP_SETGID",
        );
    }
    if bounds.lonely {
        note("commands have no network", "if they need it: PrivateNetwork=no, or a network for the container");
    }
    for folder in ["/usr", "/etc", "/home", "/var", "/tmp"] {
        let Some(mount) = bounds.mount_of(Path::new(folder)).filter(|mount| mount.read_only) else { continue };
        if mount.is_locked() {
            note(&format!("{folder} is closed to the daemon and its commands"), "if they need it: ProtectHome=no");
        } else {
            let cure = format!("if commands write there: ReadWritePaths={folder} or less of Protect…= in the unit");
            note(&format!("{folder} is read-only for the daemon and its commands"), &cure);
        }
    }
    if findings.is_empty() {
        findings.push(Finding::well("unit", "nothing is forbidden to commands beyond their user's rights"));
    }
    findings
}

/// Whether a service manager waits for signs of life.
pub fn manager(bounds: &Bounds, watchdog: Option<Duration>) -> Option<Finding> {
    let (unit, _) = bounds.unit.as_ref()?;
    Some(match watchdog {
        Some(longest) => Finding::well(
            "manager",
            format!("{unit}: a daemon that hangs for {} s is started again (WatchdogSec=)", longest.as_secs()),
        ),
        None => Finding::note(
            "manager",
            format!("{unit} waits for no sign of life, so a daemon that hangs is not started again"),
            Some("WatchdogSec=60 in a unit with Type=notify".into()),
        ),
    })
}

/// Room for the state.
pub fn disk(state: &Path) -> Finding {
    let shown = RawPath::from(state);
    let facts = match rustix::fs::statvfs(state) {
        Ok(facts) => facts,
        Err(error) => {
            return Finding::bad("disk", format!("{shown} can't be looked at: {error}"), "see its owner and mode");
        }
    };
    let room = facts.f_bavail.saturating_mul(facts.f_frsize);
    let message = format!("{} free for {shown}", Size(room >> 20 << 20));
    // Some file systems count no files.
    if room < LEAST_ROOM || (facts.f_files > 0 && facts.f_favail < LEAST_FILES) {
        let message = format!("{message}, {} files more can be made", facts.f_favail);
        return Finding::bad("disk", message, "make room there, or name another place with --state-dir");
    }
    Finding::well("disk", message)
}

#[cfg(test)]
mod tests {
    use fsmon_protocol::doctor::Verdict;

    use super::*;

    #[test]
    fn a_limit_that_is_nearly_used_up_is_bad_and_has_its_line() {
        assert_eq!(against("w", "k", 100, 8192, 8192).verdict, Verdict::Well);
        let bad = against("watches", "fs.inotify.max_user_watches", 7000, 8192, 8192);
        assert_eq!(bad.verdict, Verdict::Bad);
        assert!(bad.cure.unwrap().starts_with("sysctl -w fs.inotify.max_user_watches=16384 "));
        assert!(queue_finding(3, 16_384).cure.unwrap().contains("fs.inotify.max_queued_events=65536"));
        assert_eq!(queue_finding(0, 16_384).verdict, Verdict::Well);
    }

    #[test]
    fn what_a_unit_forbids_is_noted() {
        let of = |bounds: &Bounds| -> Vec<String> { restrictions(bounds).into_iter().map(|f| f.message).collect() };
        assert!(of(&Bounds::default())[0].contains("nothing is forbidden"));
        let mounts = "1 0 8:1 / / ro - ext4 /dev/sda1 rw\n2 1 0:47 /systemd/inaccessible/dir /home ro - tmpfs tmpfs rw\n\
            3 1 8:1 /var /var rw - ext4 /dev/sda1 rw\n";
        let tight = Bounds::of("NoNewPrivs:\t1\nSeccomp:\t2\nCapBnd:\t0\n", mounts, "");
        let told = of(&tight);
        assert_eq!(told.len(), 8, "{told:?}");
        assert!(
            told.iter().any(|said| said.starts_with("/home is closed")) && told[7].starts_with("/tmp is read-only")
        );
        let of_others = Bounds { capabilities: None, mounts: Vec::new(), lonely: true, ..tight };
        assert_eq!(of(&of_others).len(), 3, "others have no capabilities to lose");
    }

    #[test]
    fn the_watchdog_is_told_where_there_is_a_unit() {
        let unit = Bounds::of("", "", "0::/system.slice/fsmond.service\n");
        assert!(manager(&unit, Some(Duration::from_secs(60))).unwrap().message.contains("hangs for 60 s"));
        assert_eq!(manager(&unit, None).unwrap().verdict, Verdict::Note);
        assert_eq!(manager(&Bounds::default(), None), None);
    }

    #[test]
    fn what_is_here_can_be_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(disk(folder.path()).message.contains("free"));
        assert_eq!(disk(Path::new("/no/such/folder")).verdict, Verdict::Bad);
        assert!(!descriptors().message.is_empty() && !restrictions(&Bounds::read()).is_empty());
        assert!(!limits(Used { folders: 1, overflows: 0 }).is_empty());
    }
}
