//! The life of one run, from its request to how it ended: start, output, timeout, end.
//!
//! A run is its leader and the leader's process group, and it ends like this:
//!
//! 1. The leader exits by itself; or, on a timeout, a person's wish or the daemon's stop, the whole group gets TERM
//!    and, if the leader is still there after the grace, KILL.
//! 2. What the pipe holds is read, and if somebody else still holds its other end, that for [`LINGER`] more: time for
//!    a helper that passes the output on.
//! 3. What is left of the group gets TERM, and KILL after the grace. When nothing is left, the run has ended.
//!
//! A process that leaves the group by itself (a daemon) is let go where the run ended by itself; if it still has the run's
//! output open, it finds it closed. Where the run was ended it is found by its environment, and ended too.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fsmon_core::io::{Input, RunEnded, RunId, SpawnRequest};
use fsmon_core::template::{self, Values};
use fsmon_protocol::run::Outcome;
use rustix::process::Pid;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::handed::{self, Handed};
use super::launch::{Ends, Launch, NotStarted, no_pipe};
use super::leader::Leader;
use super::leftovers::{Leftover, end_leftovers};
use super::output::Capture;
use super::run_as::Account;
use super::stdin::{Feed, stdin_of};
use super::{Shared, batch_of, environment, stragglers, trust};

/// How long output is still read after the leader has exited, while somebody else holds the pipe.
const LINGER: Duration = Duration::from_millis(100);

/// For so long a command that is not fed is waited for and nothing else. Most of those that are many have ended by then, and
/// neither the runtime had to be told of what belongs to it, nor was anybody woken when it closed its output. What it prints
/// waits in the pipe, and a wish that it ends is heard that much later.
const SOON: Duration = Duration::from_millis(5);

/// That a run is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// From when on it is killed.
    pub(super) kill_at: Instant,
    /// From when on it is left alone, even if it cannot be killed: the daemon has to stop.
    pub(super) give_up_at: Option<Instant>,
}

/// A started run.
struct Started {
    leader: Leader,
    output: Capture,
    feed: Option<Feed>,
}

/// Runs one command to its end, and gives the answer about it. Blocks while it is started and while output is written: on a
/// thread of its own.
pub(super) async fn run(
    request: Arc<SpawnRequest>,
    shared: Arc<Shared>,
    mut wish: watch::Receiver<Option<End>>,
) -> Input {
    let run = request.run;
    let ended = |outcome, ms, (output_bytes, output_dropped)| {
        Input::RunEnded(RunEnded { run, outcome, ms, output_bytes, output_dropped })
    };
    if wish.borrow().is_some() {
        return ended(Outcome::Interrupted, 0, (0, 0));
    }
    let began = Instant::now();
    let (daemon_id, known_by) = (shared.options.daemon_id.clone(), [(run, request.event_id.clone())]);
    let (timeout, grace) = (request.rules.timeout.0, request.rules.grace.0);
    let Started { mut leader, mut output, feed } = match start(&request, &shared) {
        Ok(started) => started,
        Err(NotStarted::Vanished) => return Input::RunVanished(run),
        Err(NotStarted::Short(why)) => return Input::RunPutOff(run, why),
        Err(NotStarted::Because(why)) => return ended(Outcome::NotStarted(why), 0, (0, 0)),
    };
    let mut limit = Limit { grace, ending: None, killed: false };
    let exited = feed.is_none() && leader.exits_within(SOON.min(timeout))
        || until_exit(&mut leader, &mut output, feed, &mut limit, began + timeout, &mut wish).await;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if !exited {
        debug!(run, "a command that cannot be killed is left behind");
        return ended(Outcome::Interrupted, ms, output.counts());
    }
    linger(&mut output).await;
    leader.ask_group_to_end();
    let group = leader.group();
    let status = leader.reap();
    if stragglers::group_may_live(group) {
        let kill_at = limit.ending.as_ref().map_or_else(|| Instant::now() + grace, |(_, kill_at)| *kill_at);
        end_rest(group, kill_at, &wish, &mut output).await;
    }
    if let Some((_, kill_at)) = &limit.ending
        && wish.borrow().is_none_or(|end| end.give_up_at.is_none())
    {
        end_escaped(&daemon_id, &known_by, *kill_at).await;
    }
    output.take_rest();
    let outcome = limit.ending.map_or_else(|| by_itself(status), |(outcome, _)| outcome);
    ended(outcome, ms, output.counts())
}

/// How long a run may go on.
struct Limit {
    grace: Duration,
    /// That it is being ended: what that makes of it, and from when on it is killed.
    ending: Option<(Outcome, Instant)>,
    killed: bool,
}

impl Limit {
    /// Ends the run, or ends it sooner. What it was first ended for stays.
    fn end(&mut self, leader: &Leader, outcome: Outcome, kill_at: Instant) {
        match &mut self.ending {
            None => {
                leader.ask_group_to_end();
                self.ending = Some((outcome, kill_at));
            }
            Some((_, already)) => *already = kill_at.min(*already),
        }
    }
}

/// Until the leader has exited, keeping its pipes going and its limits; false where it is given up.
async fn until_exit(
    leader: &mut Leader,
    output: &mut Capture,
    mut feed: Option<Feed>,
    limit: &mut Limit,
    timeout_at: Instant,
    wish: &mut watch::Receiver<Option<End>>,
) -> bool {
    loop {
        let give_up_at = wish.borrow_and_update().and_then(|end| {
            limit.end(leader, Outcome::Interrupted, end.kill_at);
            end.give_up_at
        });
        let next = match &limit.ending {
            None => Some(timeout_at),
            Some((_, kill_at)) if !limit.killed => Some(*kill_at),
            Some(_) => give_up_at,
        };
        tokio::select! {
            biased;
            () = leader.exited() => return true,
            Ok(()) = wish.changed() => {}
            () = until(next) => match &limit.ending {
                None => limit.end(leader, Outcome::TimedOut, Instant::now() + limit.grace),
                Some(_) if !limit.killed => {
                    leader.kill_group();
                    limit.killed = true;
                }
                Some(_) => return false,
            },
            done = write(&mut feed) => if done { feed = None },
            () = output.readable() => { output.take(); }
        }
    }
}

/// Until then, or for ever.
pub(super) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Writes to the command's stdin, if there is anything to write.
async fn write(feed: &mut Option<Feed>) -> bool {
    match feed {
        Some(feed) => feed.write().await,
        None => std::future::pending().await,
    }
}

/// Reads the rest of the output, for a moment also what comes only now.
async fn linger(output: &mut Capture) {
    let until = Instant::now() + LINGER;
    output.take_rest();
    // Another command that is just being started holds the other end too, until its program is loaded.
    if !output.at_end() && output.comes_within(SOON) {
        output.take_rest();
    }
    while !output.at_end() {
        tokio::select! {
            biased;
            () = sleep_until(until) => return,
            () = output.readable() => { output.take(); }
        }
    }
}

/// Ends what is left of a group whose leader was reaped, reading output meanwhile so that nobody blocks on it.
async fn end_rest(group: Pid, kill_at: Instant, wish: &watch::Receiver<Option<End>>, output: &mut Capture) {
    let kill_at = || wish.borrow().map_or(kill_at, |end| end.kill_at.min(kill_at));
    let mut end = std::pin::pin!(stragglers::end(group, kill_at));
    loop {
        tokio::select! {
            biased;
            gone = &mut end => {
                if !gone {
                    debug!(group = group.as_raw_nonzero(), "processes of a run are left that cannot be killed");
                }
                return;
            }
            () = output.readable() => { output.take(); }
        }
    }
}

/// Ends what has left the group of a run that was ended: `timeout`, `setsid` and shells with job control put their
/// children elsewhere, and the next attempt must not run beside them.
pub(super) async fn end_escaped(daemon_id: &str, runs: &[(RunId, String)], kill_at: Instant) {
    match end_leftovers(daemon_id, runs, kill_at.saturating_duration_since(Instant::now())).await {
        Ok(left) => {
            for leftover in left {
                let Leftover { run, processes, gone } = leftover;
                debug!(run, ?processes, gone, "processes outside of the group of a run that was ended");
            }
        }
        Err(why) => debug!(why, "what has left the group of a run is not looked for"),
    }
}

/// What came of a command that nobody ended.
pub(super) fn by_itself(status: io::Result<ExitStatus>) -> Outcome {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Outcome::Exited(code),
            (None, signal) => Outcome::Signalled(signal.unwrap_or(0)),
        },
        Err(error) => Outcome::NotStarted(format!("it was started, and its result could not be learnt: {error}")),
    }
}

/// Refuses to run as root where others could put something else in the place of a file.
fn check_places(request: &SpawnRequest, shared: &Shared) -> Result<(), String> {
    let root = request.root.as_path();
    let Some(files) = batch_of(request) else {
        let rel = request.rel.as_path();
        let folder = root.join(rel.parent().unwrap_or(Path::new("")));
        return shared.vouched.or(root, &folder, None, || trust::Trusted::root(root)?.check(rel));
    };
    let mut trusted = trust::Trusted::root(root)?;
    files.iter().try_for_each(|file| {
        let path = file.path.as_path();
        trusted.check(path.strip_prefix(root).unwrap_or(path))
    })
}

/// Starts a command; blocks.
fn start(request: &SpawnRequest, shared: &Shared) -> Result<Started, NotStarted> {
    let values = Values {
        root: request.root.as_bytes(),
        rel: request.rel.as_bytes(),
        old_path: request.from.as_ref().map(fsmon_protocol::RawPath::as_bytes),
        event: request.kind.as_str(),
        trigger: request.trigger.as_str(),
        watch: &request.watch_name,
        opened: handed::PLACE,
    };
    let argv = match batch_of(request) {
        Some(files) => template::expand_batch(&request.rules.command, &values, files.iter().map(|file| &file.path)),
        None => template::expand(&request.rules.command, &values, request.rules.append_path),
    };
    let account = request.rules.run_as.as_deref().map(Account::find).transpose()?;
    let environment = environment::of_run(&shared.base, request, account.as_ref());
    if trust::matters() && account.is_none() {
        check_places(request, shared)?;
    }
    let handed = Handed::of(request)?;
    let launch = Launch {
        argv: &argv,
        folder: environment::folder(&request.rules, request.root.as_path()),
        environment: &environment,
        account: account.as_ref(),
        rules: &request.rules,
        handed: handed.as_ref(),
        vouched: &shared.vouched,
    };
    let mut pipes = None;
    let leader = launch.start(|| {
        let (reader, writer) = io::pipe().map_err(no_pipe)?;
        let path = shared.options.output_dir.join(request.run.to_string());
        let output = Capture::new(reader, path, request.rules.output_max.0).map_err(no_pipe)?;
        let (stdin, feed) = match stdin_of(request) {
            None => (Stdio::null(), None),
            Some(lines) => {
                let (reader, writer) = io::pipe().map_err(no_pipe)?;
                let feed = Feed::new(OwnedFd::from(writer), lines).map_err(no_pipe)?;
                (Stdio::from(reader), Some(feed))
            }
        };
        pipes = Some((output, feed));
        Ok(Ends { stdin, stdout: writer.try_clone().map_err(no_pipe)?, stderr: writer })
    })?;
    let (output, feed) = pipes.ok_or("it was started without pipes")?;
    Ok(Started { leader, output, feed })
}
