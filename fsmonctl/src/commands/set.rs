//! `set`: other rules for a watch.

use std::ffi::OsString;

use clap::Args;
use fsmon_protocol::ApiError;
use fsmon_protocol::path::escape;

use super::Session;
use crate::args::{OptionArgs, watch};
use crate::client::{ask, soon};
use crate::failure::Failure;

/// Change options or the command of a watch
///
/// Only what is given changes. A list (--include, --exclude, --env) replaces the one before; a single '' empties it. A
/// new command is for what starts from now on; what is done is not run again.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl set data --include '*.csv' --include '*.txt'
  fsmonctl set data --exclude ''                   exclude nothing any more
  fsmonctl set data --every 15m --retries 0
  fsmonctl set data --cron '30 2 * * *' --tz Europe/Paris
  fsmonctl set data -- import {path}               another command
  fsmonctl set data --no-command                   only log from now on")]
pub struct Set {
    /// Name or path of a watch
    watch: OsString,

    #[command(flatten)]
    options: OptionArgs,

    /// Take the command away: events are only logged
    #[arg(long, conflicts_with = "command", help_heading = "The command")]
    no_command: bool,

    /// The command from now on, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Set {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let name = watch(&self.watch)?;
        let command = (self.no_command || !self.command.is_empty()).then_some(self.command);
        let options = self.options.into_options(command)?;
        if options.is_empty() {
            let hint = "give an option, or a command after --; see: fsmonctl set --help";
            return Err(ApiError::usage("nothing to change was given").hint(hint).into());
        }
        let client = session.change().await?;
        let status = ask(client.rpc().set(soon(), name, options)).await?;
        if session.out.is_json() {
            return session.out.object(&status);
        }
        Ok(session.out.line(&format!("changed '{}'", escape(status.name.as_bytes())))?)
    }
}
