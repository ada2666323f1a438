//! `set-interval`: another schedule for a watch.

use std::ffi::OsString;

use clap::Args;
use fsmon_protocol::SpanOrOff;
use fsmon_protocol::path::escape;

use super::Session;
use crate::args::watch;
use crate::client::{ask, soon};
use crate::failure::Failure;
use crate::output::next_occurrence;

/// Change how often a watch's schedule is due
///
/// The next occurrence is the last due time and the new interval, or now where that has passed.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl set-interval data 15m
  fsmonctl set-interval data off    changes are still processed; nothing else is")]
pub struct SetInterval {
    /// Name or path of a watch
    watch: OsString,

    /// The interval, such as 30s, 15m, 2h or 1d; or off
    #[arg(value_name = "DURATION|off", allow_hyphen_values = true)]
    every: SpanOrOff,
}

impl SetInterval {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let name = watch(&self.watch)?;
        let client = session.change().await?;
        let status = ask(client.rpc().set_interval(soon(), name, self.every)).await?;
        if session.out.is_json() {
            return session.out.object(&status);
        }
        let name = escape(status.name.as_bytes());
        Ok(session.out.line(&format!("next occurrence of '{name}': {}", next_occurrence(&status)))?)
    }
}
