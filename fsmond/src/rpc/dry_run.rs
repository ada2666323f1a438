//! `add --dry-run` and `set --dry-run`: the core says what to look for, the watch edge looks.

use fsmon_core::io::{Answer, Command};
use fsmon_protocol::rpc_types::{DryRun, Reply};
use fsmon_protocol::spec::{Options, WatchSpec};

use super::session::{Session, odd};
use super::watches::check_options;

impl Session {
    /// What adding this watch would find.
    pub async fn dry_add_watch(&self, spec: WatchSpec) -> Reply<DryRun> {
        let (spec, only) = self.looked_at(spec).await?;
        self.dry_run(Command::DryAdd { spec, only }).await
    }

    /// What setting these options would change.
    pub async fn dry_set_options(&self, watch: String, options: Options, unset: Vec<String>) -> Reply<DryRun> {
        check_options(&options, &unset)?;
        self.dry_run(Command::DrySet { watch, options, unset }).await
    }

    async fn dry_run(&self, command: Command) -> Reply<DryRun> {
        match self.command(command).await? {
            Answer::Trial(trial) => self.server.survey.survey(*trial).await,
            other => Err(odd(&other)),
        }
    }
}
