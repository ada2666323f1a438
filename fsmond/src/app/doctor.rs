//! What `doctor` finds out about the process, the machine, and the place of each watch.

use std::path::Path;

use fsmon_protocol::RawPath;
use fsmon_protocol::doctor::Finding;
use fsmon_protocol::status::{Counters, WatchState, WatchStatus};
use fsmon_protocol::units::Timestamp;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::host::examine::{self, Used};
use crate::runner::run_as::Account;
use crate::runner::trust;
use crate::watch;

/// Looks at everything; may wait for file systems.
pub fn examine(state: &Path, watches: &[WatchStatus], counters: &Counters, now: Timestamp) -> Vec<Finding> {
    let used = Used { folders: watches.iter().map(|w| w.armed).sum(), overflows: counters.overflows };
    let mut findings = examine::limits(used);
    findings.push(examine::descriptors());
    findings.extend(examine::restrictions());
    findings.push(examine::disk(state));
    findings.push(clock(watches, now));
    for watch in watches {
        findings.extend(place(watch).into_iter().map(|finding| finding.of(&watch.name)));
    }
    findings
}

/// A clock that was behind what is stored already was set back, or was wrong before.
fn clock(watches: &[WatchStatus], now: Timestamp) -> Finding {
    let cure = "set the clock: timedatectl set-ntp true";
    if now < examine::EARLIEST {
        return Finding::bad("clock", format!("it is {now} by the system's clock, which can't be"), cure);
    }
    let latest = watches.iter().flat_map(|w| [Some(w.added), w.last_reconcile, w.last_due]).flatten().max();
    match latest {
        Some(latest) if latest > now => {
            Finding::bad("clock", format!("the system's clock says {now}, but was at {latest} before"), cure)
        }
        _ => Finding::well("clock", format!("{now}")),
    }
}

/// The root of a watch: its state, what it is on, who may do what there.
fn place(watch: &WatchStatus) -> Vec<Finding> {
    let root = Path::new(&watch.path);
    let mut findings = vec![state(watch)];
    if !root.exists() {
        return findings;
    }
    let backend = watch.backend.as_str();
    findings.push(match watch::fs_type_at(root) {
        Ok(kind) => Finding::well("mount", format!("{} is on {kind}, seen by {backend}", RawPath::from(root))),
        Err(error) => Finding::bad(
            "mount",
            format!("what {} is on can't be told: {error}", RawPath::from(root)),
            "see who may enter the folders above it",
        ),
    });
    let needed = if root.is_dir() { Access::READ_OK | Access::EXEC_OK } else { Access::READ_OK };
    findings.push(match accessat(CWD, root, needed, AtFlags::EACCESS) {
        Ok(()) => Finding::well("rights", "the daemon's user may read its root"),
        Err(error) => Finding::bad(
            "rights",
            format!("the daemon's user may not read {}: {error}", RawPath::from(root)),
            "give that user the right to read and enter it, or run fsmond as one who has it",
        ),
    });
    findings.extend(command(watch, root));
    findings
}

fn state(watch: &WatchStatus) -> Finding {
    let why = if watch.details.is_empty() { "see fsmonctl show".to_owned() } else { watch.details.join("; ") };
    match watch.state {
        WatchState::Degraded => {
            Finding::bad("state", format!("part of it is not seen live: {why}"), "see the limits above")
        }
        WatchState::Held => {
            Finding::bad("state", format!("it is held: {why}"), format!("fsmonctl resume {}", watch.name))
        }
        WatchState::Waiting => Finding::bad("state", format!("its root is not there: {why}"), "mount or make it"),
        WatchState::Stuck => Finding::bad("state", why, "see to that file system: it goes on by itself then"),
        WatchState::Paused => Finding::note("state", "it is paused", Some(format!("fsmonctl resume {}", watch.name))),
        WatchState::Scanning | WatchState::Watching => {
            Finding::well("state", format!("{} files, {} of {} folders armed", watch.files, watch.armed, watch.folders))
        }
    }
}

/// Whether its command would be run at all.
fn command(watch: &WatchStatus, root: &Path) -> Option<Finding> {
    let folder = if root.is_dir() { root } else { root.parent()? };
    let checked = match &watch.rules.run_as {
        Some(run_as) => Account::find(run_as).map(drop),
        None if watch.rules.command.is_empty() || !trust::matters() => return None,
        None => trust::check_place(folder, Path::new("")),
    };
    let cure = format!("fsmonctl set {} --run-as USER", watch.name);
    Some(match checked {
        Ok(()) => Finding::well("command", "nobody else can put something in its way"),
        Err(why) => Finding::bad("command", why, cure),
    })
}
