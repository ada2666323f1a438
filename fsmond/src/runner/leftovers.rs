//! After an unclean end: finds processes of runs that an earlier daemon of the same state folder started, and ends
//! them, before any of their files runs again.
//!
//! They are known by what every command of a run has in its environment: `FSMON_DAEMON`, `FSMON_RUN` and
//! `FSMON_EVENT_ID`, or `FSMON_BATCH_ID`; a worker has `FSMON_DAEMON` and `FSMON_WORKER`. A process that gave itself a new environment is still found where another of its process group
//! has it. Only Linux shows the environment of processes in a way that can be relied on.

use std::time::Duration;

use fsmon_core::io::RunId;

/// A run of which something was left, or workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The run; none: workers.
    pub run: Option<RunId>,
    /// Its processes that were found.
    pub processes: Vec<i32>,
    /// Whether all of them are gone now.
    pub gone: bool,
}

/// Ends all that is left of these runs of the daemon with this id, and of its workers: TERM, and after `grace` KILL. Each run is given
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

    /// What a process belongs to.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Of {
        Run(RunId),
        Workers,
    }

    impl Of {
        fn run(self) -> Option<RunId> {
            match self {
                Self::Run(run) => Some(run),
                Self::Workers => None,
            }
        }
    }

    pub(super) async fn end(daemon_id: &str, runs: &[(RunId, String)], grace: Duration) -> Vec<Leftover> {
        let mut found: BTreeMap<Of, Leftover> = BTreeMap::new();
        let kill_at = Instant::now() + grace;
        let mut asked: HashSet<(i32, u64)> = HashSet::new();
        loop {
            let left = find(daemon_id, runs);
            for leftover in found.values_mut() {
                leftover.gone = true;
            }
            let now = Instant::now();
            for (process, of) in &left {
                let pid = process.pid.as_raw_nonzero().get();
                let leftover =
                    found.entry(*of).or_insert_with(|| Leftover { run: of.run(), processes: Vec::new(), gone: false });
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
    fn find(daemon_id: &str, runs: &[(RunId, String)]) -> Vec<(Process, Of)> {
        let processes: Vec<Process> = all().collect();
        let spared = ancestors(&processes);
        let own_group = own().map_or(0, |own| own.group);
        let may =
            |process: &&Process| process.group != own_group && !spared.contains(&process.pid.as_raw_nonzero().get());
        let mut groups: HashMap<i32, Of> = HashMap::new();
        for process in processes.iter().filter(may) {
            if let Some(run) = environment(process.pid).and_then(|environment| run_of(&environment, daemon_id, runs)) {
                groups.insert(process.group, run);
            }
        }
        let of_group = |process: &Process| groups.get(&process.group).map(|run| (*process, *run));
        processes.iter().filter(may).filter_map(of_group).collect()
    }

    /// Which of these runs such an environment belongs to, or that it is a worker's.
    fn run_of(environment: &[u8], daemon_id: &str, runs: &[(RunId, String)]) -> Option<Of> {
        if value(environment, DAEMON)? != daemon_id.as_bytes() {
            return None;
        }
        if value(environment, WORKER).is_some() {
            return Some(Of::Workers);
        }
        let run: RunId = std::str::from_utf8(value(environment, RUN)?).ok()?.parse().ok()?;
        let event_id = value(environment, EVENT_ID).or_else(|| value(environment, BATCH_ID))?;
        runs.iter().any(|(r, id)| *r == run && id.as_bytes() == event_id).then_some(Of::Run(run))
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
