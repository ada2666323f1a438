//! `doctor`: what stands in the way of the daemon or its watches. What concerns the process and the machine is asked
//! of the app; here is what takes the engine: one probe per watch.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fsmon_core::PROBE_PREFIX;
use fsmon_core::io::{Answer, Command};
use fsmon_protocol::doctor::Finding;
use fsmon_protocol::rpc_types::Reply;
use fsmon_protocol::spec::Backend;
use fsmon_protocol::status::{WatchState, WatchStatus};
use fsmon_protocol::{ApiError, RawPath};
use futures::future::join_all;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::session::{Session, odd};

/// How long looking at everything but the probes may take.
const LONGEST_LOOK: Duration = Duration::from_secs(15);
/// How long the event of a probe may take: far longer than ever on a machine that is only busy.
const LONGEST_PROBE: Duration = Duration::from_secs(5);
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
        let (control, seen) = (Arc::clone(&self.server.control), watches.clone());
        let looking = spawn_blocking(move || control.examine(&seen, &counters));
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
    let how = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    drop(openat(&folder, name, how, Mode::RUSR | Mode::WUSR)?);
    let removed = unlinkat(&folder, name, AtFlags::empty());
    removed.map_err(|error| {
        let name = RawPath::from(name.as_bytes());
        io::Error::other(format!("{name} could not be removed again ({error}): remove it by hand"))
    })
}
