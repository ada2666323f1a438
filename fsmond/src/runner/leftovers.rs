//! After an unclean end: finds processes of runs that an earlier daemon of the same state folder started, and ends
//! them, before any of their files runs again.
//!
//! They are known by what every command of a run has in its environment: `FSMON_DAEMON`, `FSMON_RUN` and
//! `FSMON_EVENT_ID`, or `FSMON_BATCH_ID`; workers by `FSMON_DAEMON` and `FSMON_WORKER`. A process that gave itself a new environment is still found where another of its process group
//! has it. Only Linux shows the environment of processes in a way that can be relied on.

use std::time::Duration;

use fsmon_core::io::RunId;

/// A run of which something was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The run.
    pub run: RunId,
    /// Its processes that were found.
    pub processes: Vec<i32>,
    /// Whether all of them are gone now.
    pub gone: bool,
}

/// Ends all that is left of these runs of the daemon with this id: TERM, and after `grace` KILL. Each run is given
/// with its event id. Says which were found; nothing of the others was there. Blocks nothing; takes as long as the
/// processes take, at most `grace` and a few seconds.
#[cfg(target_os = "linux")]
pub async fn end_leftovers(
    daemon_id: &str,
    runs: &[(RunId, String)],
    grace: Duration,
) -> Result<Vec<Leftover>, String> {
    Ok(linux::end(daemon_id, runs, grace).await)
}

/// Says that this system cannot do it.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unused_async, reason = "the same signature on every system")]
pub async fn end_leftovers(_: &str, _: &[(RunId, String)], _: Duration) -> Result<Vec<Leftover>, String> {
    Err("this system does not show the environment of processes, so commands that an earlier daemon left running \
         cannot be found"
        .into())
}

/// Ends all workers of the daemon with this id, in the same way: it has none that live, since it only starts now. Gives
/// the processes that were found, and whether all of them are gone.
#[cfg(target_os = "linux")]
pub async fn end_workers(daemon_id: &str, grace: Duration) -> Result<(Vec<i32>, bool), String> {
    Ok(linux::end_workers(daemon_id, grace).await)
}

/// Says that this system cannot do it.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unused_async, reason = "the same signature on every system")]
pub async fn end_workers(_: &str, _: Duration) -> Result<(Vec<i32>, bool), String> {
    Err("this system does not show the environment of processes, so workers that an earlier daemon left running cannot \
         be found; they find their stdin closed"
        .into())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{BTreeMap, HashMap, HashSet};
    use std::time::Duration;

    use fsmon_core::io::RunId;
    use rustix::process::Signal;
    use tokio::time::{Instant, sleep};

    use super::Leftover;
    use crate::runner::environment::{BATCH_ID, DAEMON, EVENT_ID, RUN, WORKER};
    use crate::runner::processes::{Process, all, environment, own, send, value};

    /// How long killed processes may take to disappear.
    const AFTER_KILL: Duration = Duration::from_secs(3);
    const PAUSE: Duration = Duration::from_millis(20);

    pub(super) async fn end(daemon_id: &str, runs: &[(RunId, String)], grace: Duration) -> Vec<Leftover> {
        if runs.is_empty() {
            return Vec::new();
        }
        end_all(&|environment| run_of(environment, daemon_id, runs), grace).await
    }

    pub(super) async fn end_workers(daemon_id: &str, grace: Duration) -> (Vec<i32>, bool) {
        // All of them stand under one number, which no run has.
        let worker = |environment: &[u8]| {
            let ours = value(environment, DAEMON)? == daemon_id.as_bytes();
            (ours && value(environment, WORKER).is_some()).then_some(0)
        };
        let found = end_all(&worker, grace).await.pop();
        found.map_or_else(|| (Vec::new(), true), |workers| (workers.processes, workers.gone))
    }

    /// Ends all processes to whose environment `which` gives a run.
    async fn end_all(which: &(dyn Fn(&[u8]) -> Option<RunId> + Sync), grace: Duration) -> Vec<Leftover> {
        let mut found: BTreeMap<RunId, Leftover> = BTreeMap::new();
        let kill_at = Instant::now() + grace;
        let mut asked: HashSet<(i32, u64)> = HashSet::new();
        loop {
            let left = find(which);
            for leftover in found.values_mut() {
                leftover.gone = true;
            }
            let now = Instant::now();
            for (process, run) in &left {
                let pid = process.pid.as_raw_nonzero().get();
                let leftover =
                    found.entry(*run).or_insert_with(|| Leftover { run: *run, processes: Vec::new(), gone: false });
                leftover.gone = false;
                if asked.insert((pid, process.started)) {
                    leftover.processes.push(pid);
                    send(process, Signal::TERM);
                    send(process, Signal::CONT);
                }
                if now >= kill_at {
                    send(process, Signal::KILL);
                }
            }
            if left.is_empty() || now >= kill_at + AFTER_KILL {
                return found.into_values().collect();
            }
            sleep(PAUSE).await;
        }
    }

    /// The processes of these runs: by their environment, and with them the rest of their groups. Never this process,
    /// what it descends from (a daemon may have been started by a command), or anyone in its group.
    fn find(which: &dyn Fn(&[u8]) -> Option<RunId>) -> Vec<(Process, RunId)> {
        let processes: Vec<Process> = all().collect();
        let spared = ancestors(&processes);
        let own_group = own().map_or(0, |own| own.group);
        let may =
            |process: &&Process| process.group != own_group && !spared.contains(&process.pid.as_raw_nonzero().get());
        let mut groups: HashMap<i32, RunId> = HashMap::new();
        for process in processes.iter().filter(may) {
            if let Some(run) = environment(process.pid).and_then(|environment| which(&environment)) {
                groups.insert(process.group, run);
            }
        }
        let of_group = |process: &Process| groups.get(&process.group).map(|run| (*process, *run));
        processes.iter().filter(may).filter_map(of_group).collect()
    }

    /// Which of these runs such an environment belongs to.
    fn run_of(environment: &[u8], daemon_id: &str, runs: &[(RunId, String)]) -> Option<RunId> {
        if value(environment, DAEMON)? != daemon_id.as_bytes() {
            return None;
        }
        let run: RunId = std::str::from_utf8(value(environment, RUN)?).ok()?.parse().ok()?;
        let event_id = value(environment, EVENT_ID).or_else(|| value(environment, BATCH_ID))?;
        runs.iter().any(|(r, id)| *r == run && id.as_bytes() == event_id).then_some(run)
    }

    /// This process and those it descends from.
    fn ancestors(processes: &[Process]) -> HashSet<i32> {
        let parents: HashMap<i32, i32> =
            processes.iter().map(|process| (process.pid.as_raw_nonzero().get(), process.parent)).collect();
        let mut chain = HashSet::new();
        let mut next = Some(rustix::process::getpid().as_raw_nonzero().get());
        while let Some(pid) = next
            && chain.insert(pid)
        {
            next = parents.get(&pid).copied();
        }
        chain
    }
}
