//! `health`: one exit code for a monitor.

use clap::Args;
use fsmon_protocol::path::{escape, tame};
use fsmon_protocol::status::{DaemonStatus, WatchState};
use fsmon_protocol::{ErrorKind, Timestamp};
use serde::Serialize;

use super::Session;
use crate::client::{ask, soon};
use crate::failure::Failure;
use crate::output::open_gap;

/// Exit 0 only if all is well, for monitors
///
/// Well means that nothing is degraded, held, stuck or waiting, that no gap is open (events may have been lost, and the
/// folder was not compared since), and that the store can write. Exit 6 if not, with one line
/// for each reason; exit 3 if no daemon is there. A watch that a person paused is well.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl health
  fsmonctl health --json | jq -r .problems[].what")]
pub struct Health {}

/// What `--json` prints.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Verdict {
    healthy: bool,
    problems: Vec<Problem>,
}

/// One reason why not.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Problem {
    /// The watch; none for the daemon itself.
    watch: Option<String>,
    /// `degraded`, `held`, `stuck`, `waiting`, `gap`, or `store`.
    what: &'static str,
    /// Why, and what would cure it.
    details: Vec<String>,
}

impl Health {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let out = session.out;
        let client = session.look().await?;
        let status = ask(client.rpc().status(soon())).await?;
        let problems = problems(&status);
        let healthy = problems.is_empty();
        if out.is_json() {
            out.object(&Verdict { healthy, problems })?;
        } else if healthy {
            let n = status.watches.len();
            let watches = if n == 1 { "watch" } else { "watches" };
            out.line(&format!("{}: {n} {watches}", out.style().good("healthy")))?;
        } else {
            for problem in problems {
                let who = problem.watch.map_or_else(|| "fsmond".into(), |w| escape(w.as_bytes()).into_owned());
                let why: Vec<_> = problem.details.iter().map(|d| tame(d).into_owned()).collect();
                let why = if why.is_empty() { "see: fsmonctl show".into() } else { why.join("; ") };
                out.line(&format!("{who}: {}: {why}", out.style().bad(problem.what)))?;
            }
        }
        if healthy { Ok(()) } else { Err(Failure::Silent(ErrorKind::Unhealthy)) }
    }
}

/// All that is not well.
fn problems(status: &DaemonStatus) -> Vec<Problem> {
    let store = status.store_error.iter().map(|why| Problem { watch: None, what: "store", details: vec![why.clone()] });
    let watches = status.watches.iter().filter_map(|watch| match watch.state {
        WatchState::Degraded | WatchState::Held | WatchState::Waiting | WatchState::Stuck => Some(Problem {
            watch: Some(watch.name.clone()),
            what: watch.state.as_str(),
            details: watch.details.clone(),
        }),
        WatchState::Watching | WatchState::Scanning | WatchState::Paused => None,
    });
    let now = Timestamp::now();
    let gaps = status.watches.iter().filter(|watch| !watch.gaps.is_empty()).map(|watch| Problem {
        watch: Some(watch.name.clone()),
        what: "gap",
        details: watch.gaps.iter().map(|gap| open_gap(gap, now)).collect(),
    });
    store.chain(watches).chain(gaps).collect()
}
