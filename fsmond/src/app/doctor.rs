//! What `doctor` finds out about the process, the machine, the place of each watch, and runs that failed.

use std::fmt::Write as _;
use std::path::Path;

use fsmon_protocol::RawPath;
use fsmon_protocol::doctor::Finding;
use fsmon_protocol::path::tame;
use fsmon_protocol::run::RunInfo;
use fsmon_protocol::status::{Counters, WatchState, WatchStatus};
use fsmon_protocol::units::Timestamp;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::blame::{Blame, blame};
use crate::edges::RunOutput;
use crate::host::bounds::Bounds;
use crate::host::examine::{self, Used};
use crate::host::notify;
use crate::runner::run_as::Account;
use crate::runner::trust;
use crate::watch;

/// Looks at everything; may wait for file systems.
pub fn examine(
    state: &Path,
    watches: &[WatchStatus],
    failed: &[RunOutput],
    counters: &Counters,
    now: Timestamp,
) -> Vec<Finding> {
    let bounds = Bounds::read();
    let used = Used { folders: watches.iter().map(|w| w.armed).sum(), overflows: counters.overflows };
    let mut findings = examine::limits(used);
    findings.push(examine::descriptors());
    findings.extend(examine::manager(&bounds, notify::watchdog()));
    findings.extend(examine::restrictions(&bounds));
    findings.push(examine::disk(state));
    findings.push(clock(watches, now));
    for watch in watches {
        findings.extend(place(watch).into_iter().map(|finding| finding.of(&watch.name)));
    }
    findings.extend(failures(failed, &bounds));
    findings
}

/// Why runs failed, where what is forbidden here is to blame: each cause once for a watch, newest first.
fn failures(failed: &[RunOutput], bounds: &Bounds) -> Vec<Finding> {
    let mut causes: Vec<(&RunInfo, Blame, usize)> = Vec::new();
    for run in failed {
        let Some(blame) = run.info.outcome.as_ref().and_then(|outcome| blame(outcome, &run.bytes, bounds)) else {
            continue;
        };
        match causes.iter_mut().find(|(info, cause, _)| info.watch == run.info.watch && cause.why == blame.why) {
            Some((_, _, more)) => *more += 1,
            None => causes.push((&run.info, blame, 0)),
        }
    }
    causes.into_iter().map(|(info, blame, more)| failure(info, &blame, more, bounds)).collect()
}

fn failure(info: &RunInfo, blame: &Blame, more: usize, bounds: &Bounds) -> Finding {
    let mut message = format!("run {}", info.run);
    if let Some(path) = &info.path {
        let _ = write!(message, " for {path}");
    }
    if more > 0 {
        let _ = write!(message, " (and {more} more)");
    }
    let because = if blame.sure { "because" } else { "perhaps because" };
    let _ = write!(message, " failed, {because} {}", blame.why);
    if let Some(line) = &blame.line {
        let _ = write!(message, ". It said: {}", tame(line));
    }
    let cure = match &bounds.unit {
        Some((unit, true)) => format!("{} (systemctl --user edit {unit}, restart it,", blame.cure),
        Some((unit, false)) => format!("{} (systemctl edit {unit}, restart it,", blame.cure),
        None => format!("{} (where fsmond is started,", blame.cure),
    };
    let cure = format!("{cure} then fsmonctl retry {})", info.watch);
    let finding =
        if blame.sure { Finding::bad("run", message, cure) } else { Finding::note("run", message, Some(cure)) };
    finding.of(&info.watch)
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
        WatchState::Degraded if watch.broken.is_some() => {
            Finding::bad("state", why, format!("once that works: fsmonctl resume {}", watch.name))
        }
        WatchState::Degraded if watch.workers.as_ref().is_some_and(|workers| workers.up < workers.wanted) => {
            let trouble = watch.workers.as_ref().and_then(|workers| workers.trouble.clone()).unwrap_or(why);
            Finding::bad(
                "state",
                format!("its workers do not run: {trouble}"),
                "see to their program: it is tried again",
            )
        }
        WatchState::Degraded => {
            Finding::bad("state", format!("it is degraded: {why}"), "where its folders are meant, see the limits above")
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
