//! `log-level`: how much the daemon logs.

use clap::Args;
use serde_json::json;

use super::Session;
use crate::client::{ask, soon};
use crate::failure::Failure;

/// Change how much the daemon logs, until it is started again
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl log-level debug
  fsmonctl log-level info")]
pub struct LogLevel {
    /// The level
    #[arg(value_parser = ["error", "warn", "info", "debug", "trace"])]
    level: String,
}

impl LogLevel {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let client = session.change().await?;
        ask(client.rpc().log_level(soon(), self.level.clone())).await?;
        if session.out.is_json() {
            return session.out.object(&json!({ "log_level": self.level }));
        }
        Ok(session.out.line(&format!("log level: {}", self.level))?)
    }
}
