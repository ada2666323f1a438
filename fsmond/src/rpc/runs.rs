//! `runs`, `logs`, `gaps`: the history of runs, the output of one, and where events may have been lost.

use std::time::Duration;

use fsmon_core::io::{Answer, Command, RunId, WatchId};
use fsmon_protocol::ApiError;
use fsmon_protocol::rpc_types::{GapsRequest, LogChunk, Reply, RunsRequest};
use fsmon_protocol::run::{Outcome, RunInfo};
use fsmon_protocol::status::GapInfo;
use tokio::time::{Instant, sleep_until};

use super::roles::Role;
use super::session::{Session, odd};
use crate::edges::{GapsQuery, RunsQuery};

/// Why a command could not be started names its program, which those who only look are not shown; nor what a worker
/// says, which is output.
pub(super) fn hide_command(outcome: &mut Option<Outcome>) {
    match outcome {
        Some(Outcome::NotStarted(why)) => "it could not be started; an operator is shown why".clone_into(why),
        Some(Outcome::WorkerFailed(why)) => "an operator is shown why".clone_into(why),
        Some(Outcome::Answered(_, message)) => *message = None,
        _ => {}
    }
}

/// Runs in one reply.
const MOST_RUNS: u32 = 1000;
/// Bytes of output in one reply.
const CHUNK: usize = 256 << 10;
/// How often a running command's output is looked at for somebody who waits for it.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl Session {
    /// The latest runs, newest first.
    pub async fn latest_runs(&self, request: RunsRequest) -> Reply<Vec<RunInfo>> {
        let watch = match request.watch {
            Some(name) => Some(self.one_id(name).await?),
            None => None,
        };
        let query = RunsQuery { watch, failed: request.failed, max: request.max.min(MOST_RUNS) };
        let mut runs = self.server.history.runs(query).await?;
        if self.role() < Some(Role::Operator) {
            for run in &mut runs {
                hide_command(&mut run.outcome);
            }
        }
        Ok(runs)
    }

    /// Gaps: the open ones first, then the newest.
    pub async fn known_gaps(&self, request: GapsRequest) -> Reply<Vec<GapInfo>> {
        let watch = match request.watch {
            Some(name) => Some(self.one_id(name).await?),
            None => None,
        };
        self.server.history.gaps(GapsQuery { watch, max: request.max.min(MOST_RUNS) }).await
    }

    async fn one_id(&self, name: String) -> Reply<WatchId> {
        let mut ids = self.resolve(vec![name]).await?;
        ids.pop().ok_or_else(|| ApiError::bug("the core resolved a name to nothing"))
    }

    /// The numbers of watches that are named; all of them where none is.
    pub async fn resolve(&self, watches: Vec<String>) -> Reply<Vec<WatchId>> {
        match self.command(Command::Resolve(watches)).await? {
            Answer::Resolved(ids) => Ok(ids.into_iter().map(|(id, _)| id).collect()),
            other => Err(odd(&other)),
        }
    }

    /// Output of one run from `offset` on, as soon as there is some or the run has ended, at the latest at `until`.
    pub async fn run_output(&self, run: RunId, offset: u64, until: Instant) -> Reply<LogChunk> {
        loop {
            let output = self.server.history.output(run, offset, CHUNK).await?;
            let now = Instant::now();
            if !output.bytes.is_empty() || output.ended || now >= until || self.server.stop.is_cancelled() {
                let finished = output.ended && output.bytes.len() < CHUNK;
                let next = offset.saturating_add(output.bytes.len() as u64);
                return Ok(LogChunk { info: output.info, bytes: output.bytes, next, finished });
            }
            tokio::select! {
                () = sleep_until(until.min(now + LOOK_AGAIN)) => {}
                () = self.server.stop.cancelled() => {}
            }
        }
    }
}
