//! `run-now` and following a sweep.

use std::time::Duration;

use fsmon_core::io::{Answer, Command};
use fsmon_protocol::rpc_types::{Reply, SweepStage, SweepStatus};
use tokio::time::{Instant, sleep, sleep_until};

use super::session::{Session, odd};

/// Pause between two looks at a sweep that moves with every file.
const PAUSE: Duration = Duration::from_millis(10);

impl Session {
    /// Starts a sweep over these watches, or over all.
    pub async fn start_sweep(&self, watches: Vec<String>, all_files: bool) -> Reply<SweepStatus> {
        self.sweep_answer(Command::RunNow { watches, all_files }).await
    }

    /// How far a sweep is, as soon as it is further than `seen`, at the latest at `until`.
    pub async fn follow_sweep(&self, id: u64, seen: SweepStage, until: Instant) -> Reply<SweepStatus> {
        let mut news = self.server.engine.sweep_changed();
        loop {
            let status = self.sweep_answer(Command::Sweep(id)).await?;
            if status.stage > seen || status.stage == SweepStage::Done || Instant::now() >= until {
                return Ok(status);
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return Ok(status) },
                () = sleep_until(until) => {}
                () = self.server.stop.cancelled() => return Ok(status),
            }
            sleep(PAUSE).await;
        }
    }

    /// Gives a command that starts a sweep, or asks for one.
    pub async fn sweep_answer(&self, command: Command) -> Reply<SweepStatus> {
        match self.command(command).await? {
            Answer::Sweep(status) => Ok(status),
            other => Err(odd(&other)),
        }
    }
}
