//! `doctor`: what stands in the way of the daemon or its watches. What concerns the process and the machine is asked
//! of the app; here is what takes the engine: one probe per watch.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fsmon_core::PROBE_PREFIX;
use fsmon_core::io::{Answer, Command};
use fsmon_protocol::doctor::Finding;
use fsmon_protocol::rpc_types::Reply;
use fsmon_protocol::run::RunStatus;
use fsmon_protocol::spec::Backend;
use fsmon_protocol::status::{WatchState, WatchStatus};
use fsmon_protocol::{ApiError, RawPath};
use futures::future::join_all;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat, unlinkat};
use rustix::io::Errno;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::session::{Session, odd};
use crate::edges::{RunOutput, RunsQuery};

/// How long looking at everything but the probes may take.
const LONGEST_LOOK: Duration = Duration::from_secs(15);
/// How long the event of a probe may take: far longer than ever on a machine that is only busy.
const LONGEST_PROBE: Duration = Duration::from_secs(5);
/// A probe that is older than this is no longer waited for by anybody.
const LEFTOVER: Duration = Duration::from_secs(60);
/// Of each watch so many of the newest runs are looked at, and of so many that failed the end of the output.
const RUNS_LOOKED_AT: u32 = 500;
const RUNS_READ: usize = 20;
/// How much of the end.
const OUTPUT_READ: usize = 16 << 10;
/// How often it is asked whether it has come.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// Tells one probe of this daemon from the next.
static PROBES: AtomicU64 = AtomicU64::new(0);

impl Session {
    /// Everything that was looked at, with what to do where something is not well.
    pub async fn examine(&self) -> Reply<Vec<Finding>> {
        let watches = self.watches(Command::Show(Vec::new())).await?;
        let counters = match self.command(Command::Counters).await? {
            Answer::Counters(counters) => counters,
            other => return Err(odd(&other)),
        };
        let mut findings = Vec::new();
        if let Some(why) = self.server.engine.store_error() {
            let message = format!("nothing can be stored, so no command is started: {why}");
            findings.push(Finding::bad("store", message, "make room, or see the state folder's owner and mode"));
        }
        let failed = self.failed_runs().await?;
        let (control, seen) = (Arc::clone(&self.server.control), watches.clone());
        let looking = spawn_blocking(move || control.examine(&seen, &failed, &counters));
        match timeout(LONGEST_LOOK, looking).await {
            Ok(Ok(found)) => findings.extend(found),
            Ok(Err(failed)) => return Err(ApiError::bug(format!("looking failed: {failed}"))),
            Err(_) => findings.push(Finding::bad(
                "mount",
                "a file system does not answer, so that not everything could be looked at",
                "see which mount hangs (mount, and ls there)",
            )),
        }
        findings.extend(join_all(watches.iter().map(|watch| self.probe(watch))).await);
        Ok(findings)
    }

    /// The newest run of each file, where it failed, with the end of what it printed; of each watch the newest few.
    async fn failed_runs(&self) -> Reply<Vec<RunOutput>> {
        let mut failed = Vec::new();
        for id in self.resolve(Vec::new()).await? {
            let query = RunsQuery { watch: Some(id), failed: false, max: RUNS_LOOKED_AT };
            let mut seen = HashSet::new();
            let mut runs = self.server.history.runs(query).await?;
            runs.retain(|run| run.status != RunStatus::Started && seen.insert(run.path.clone()));
            runs.retain(|run| matches!(run.status, RunStatus::Retry | RunStatus::Failed));
            for run in runs.into_iter().take(RUNS_READ) {
                let from = run.output_bytes.saturating_sub(OUTPUT_READ as u64);
                failed.push(self.server.history.output(run.run, from, OUTPUT_READ).await?);
            }
        }
        Ok(failed)
    }

    /// Makes a file in the root of a watch and waits until it is heard of.
    async fn probe(&self, watch: &WatchStatus) -> Finding {
        let of = |finding: Finding| finding.of(&watch.name);
        if watch.backend == Backend::Poll {
            let every = watch.rules.poll_interval;
            return of(Finding::well("probe", format!("it is compared every {every}: there are no events to probe")));
        }
        if matches!(watch.state, WatchState::Waiting | WatchState::Held | WatchState::Stuck) {
            let why = format!("it is {}, so that events are not listened to", watch.state.as_str());
            return of(Finding::note("probe", why, None));
        }
        match self.round_trip(watch).await {
            Ok(Some(took)) => of(Finding::well(
                "probe",
                format!("a file made in its root was heard of within {} ms", took.as_millis()),
            )),
            Ok(None) => of(Finding::bad(
                "probe",
                format!(
                    "a file was made in its root, and within {} s nothing was heard of it",
                    LONGEST_PROBE.as_secs()
                ),
                "the mount tells no events: set --backend poll for this watch, and see its state with fsmonctl show",
            )),
            Err(why) => of(Finding::note("probe", format!("no file can be made in its root to probe it: {why}"), None)),
        }
    }

    async fn round_trip(&self, watch: &WatchStatus) -> Result<Option<Duration>, String> {
        let number = PROBES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PROBE_PREFIX}{}-{number}", std::process::id());
        let said = |error: ApiError| error.message;
        let expect = Command::ExpectProbe { watch: watch.name.clone(), name: name.as_bytes().into() };
        self.command(expect).await.map_err(said)?;
        let began = tokio::time::Instant::now();
        let (path, file) = (PathBuf::from(&watch.path), name.clone());
        let making = spawn_blocking(move || make_and_remove(&path, file.as_ref()));
        match timeout(LONGEST_PROBE, making).await {
            Ok(Ok(made)) => made.map_err(|error| error.to_string())?,
            Ok(Err(failed)) => return Err(failed.to_string()),
            Err(_) => return Err("the file system does not answer".into()),
        }
        while began.elapsed() < LONGEST_PROBE {
            let asked = Command::ProbeHeard { watch: watch.name.clone(), name: name.as_bytes().into() };
            if self.command(asked).await.map_err(said)? == Answer::Heard(true) {
                return Ok(Some(began.elapsed()));
            }
            sleep(ASK_AGAIN).await;
        }
        Ok(None)
    }
}

/// Makes an empty file in a folder, or in that of a file, and removes it. By the folder's handle: it can't be swapped
/// in between.
fn make_and_remove(path: &Path, name: &OsStr) -> io::Result<()> {
    let found = std::fs::metadata(path)?;
    let folder = if found.is_dir() { path } else { path.parent().unwrap_or(path) };
    let folder = openat(CWD, folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    remove_leftovers(&folder)?;
    let how = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    drop(openat(&folder, name, how, Mode::RUSR | Mode::WUSR)?);
    match unlinkat(&folder, name, AtFlags::empty()) {
        // Another daemon that watches the same folder may have taken it for a leftover, on a machine that slept.
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => {
            let name = RawPath::from(name.as_bytes());
            Err(io::Error::other(format!("{name} could not be removed again ({error}): remove it by hand")))
        }
    }
}

/// Removes probes of daemons that died before they could: empty files of this user with a name of their form, some time
/// old, so that no probe of another daemon is taken that is under way.
fn remove_leftovers(folder: &OwnedFd) -> io::Result<()> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !is_name_of_probe(name.to_bytes()) {
            continue;
        }
        let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let empty = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_size == 0;
        let made = UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
        let old = SystemTime::now().duration_since(made).is_ok_and(|age| age > LEFTOVER);
        if empty && old && stat.st_uid == rustix::process::geteuid().as_raw() {
            // One that can't be removed stands in nobody's way: files of this name are watched by none.
            let _ = unlinkat(folder, name, AtFlags::empty());
        }
    }
    Ok(())
}

/// Whether a name is the prefix, a process, and a number.
fn is_name_of_probe(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(PROBE_PREFIX.as_bytes()) else { return false };
    let mut numbers = rest.split(|byte| *byte == b'-');
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    numbers.next().is_some_and(is_number) && numbers.next().is_some_and(is_number) && numbers.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_probe_of_a_daemon_that_died_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let long_ago = SystemTime::now() - 2 * LEFTOVER;
        let make = |name: &str, text: &str, time: SystemTime| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        make(".fsmond-probe-12-3", "", long_ago);
        make(".fsmond-probe-12-4", "", SystemTime::now());
        make(".fsmond-probe-12-5", "mine", long_ago);
        make(".fsmond-probe-of-mine", "", long_ago);
        make(".fsmond-probe-1-2-3", "", long_ago);
        make("12-3", "", long_ago);
        make_and_remove(folder.path(), OsStr::new(".fsmond-probe-12-6")).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        let kept = [".fsmond-probe-1-2-3", ".fsmond-probe-12-4", ".fsmond-probe-12-5", ".fsmond-probe-of-mine", "12-3"];
        assert_eq!(left, kept);
    }
}
