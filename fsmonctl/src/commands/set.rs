//! `set`: other rules for a watch.

use std::ffi::OsString;

use clap::Args;
use fsmon_protocol::ApiError;
use fsmon_protocol::path::escape;

use super::Session;
use super::dry_run::{DRY_RUN, dry_run};
use crate::args::{OptionArgs, watch};
use crate::client::{ask, soon, within};
use crate::failure::Failure;

/// Change options or the command of a watch
///
/// Only what is given changes. A list (--include, --exclude, --env) replaces the one before; a single '' empties it. A
/// new command is for what starts from now on; what is done is not run again; if its program is not there that is warned of.
/// --unset gives an option its default
/// back. With --dry-run nothing changes: it says which files would no longer be watched, which newly, and what would
/// run.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl set data --include '*.csv' --include '*.txt'
  fsmonctl set data --exclude ''                   exclude nothing any more
  fsmonctl set data --every 15m --retries 0
  fsmonctl set data --cron '30 2 * * *' --tz Europe/Paris
  fsmonctl set data --unset max-size --unset cwd   back to the defaults
  fsmonctl set data --include '*.csv' --dry-run    what would change
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

    /// Give an option its default back: its name, as in the config file (repeatable)
    #[arg(long, value_name = "OPTION")]
    unset: Vec<String>,

    /// Only say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// The command from now on, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Set {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let name = watch(&self.watch)?;
        let command = (self.no_command || !self.command.is_empty()).then_some(self.command);
        let options = self.options.into_options(command)?;
        if options.is_empty() && self.unset.is_empty() {
            let hint = "give an option, or a command after --; see: fsmonctl set --help";
            return Err(ApiError::usage("nothing to change was given").hint(hint).into());
        }
        let client = session.change().await?;
        if self.dry_run {
            let question = client.rpc().dry_set(within(DRY_RUN), name, options, self.unset);
            return Box::pin(dry_run(session, question, true)).await;
        }
        let status = ask(client.rpc().set(soon(), name, options, self.unset)).await?;
        if session.out.is_json() {
            return session.out.object(&status);
        }
        session.out.line(&format!("changed '{}'", escape(status.name.as_bytes())))?;
        session.out.doubts(&status);
        Ok(())
    }
}
