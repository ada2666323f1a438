//! `stop`: the daemon ends; waited for.

use std::time::{Duration, Instant};

use clap::Args;
use fsmon_protocol::{ApiError, ErrorKind};
use serde_json::json;

use super::Session;
use crate::client::{ask, soon};
use crate::failure::Failure;

/// Stop the daemon cleanly, and wait until it is gone
///
/// No command is started any more; running ones are told to end (TERM) and are killed after their grace, and run again after the next
/// start.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl stop
  fsmonctl stop --system")]
pub struct Stop {}

/// How long it may take: longer than any grace that is usual.
const WAIT: Duration = Duration::from_secs(60);

impl Stop {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let out = session.out;
        let client = session.change().await?;
        let pid = ask(client.rpc().status(soon())).await?.pid;
        ask(client.rpc().stop(soon())).await?;
        let progress = out.progress();
        let until = Instant::now() + WAIT;
        while !client.is_gone().await {
            if Instant::now() >= until {
                let message = format!("fsmond (pid {pid}) is still stopping after {} s", WAIT.as_secs());
                let hint = "a command may have a longer grace; ask again, or see the log";
                return Err(ApiError::new(ErrorKind::TimedOut, message).hint(hint).into());
            }
            progress.set(&format!("fsmond (pid {pid}) is stopping"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(progress);
        if out.is_json() {
            return out.object(&json!({ "stopped": true, "pid": pid }));
        }
        Ok(out.line(&format!("fsmond (pid {pid}) has stopped"))?)
    }
}
