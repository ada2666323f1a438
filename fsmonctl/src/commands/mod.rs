//! The verbs, one file each: the doc comment of its struct is its help, its fields are its arguments, `run` does it.
//!
//! A verb never talks to a socket or a terminal by itself: it asks through `Client` and tells through `Out`.

mod accept;
mod add;
mod completions;
mod doctor;
mod drop;
mod dry_run;
mod explain;
mod failures;
mod files;
mod gaps;
mod health;
mod list;
mod log_level;
mod logs;
mod man_page;
mod pause;
mod reload;
mod remove;
mod replay;
mod resume;
mod retry;
mod run_now;
mod runs;
mod set;
mod set_interval;
mod show;
mod status;
mod stop;
mod tail;
mod verify;

use clap::Subcommand;

use crate::args::{Cli, Global};
use crate::client::{Client, Purpose};
use crate::failure::Failure;
use crate::output::Out;

// The text of each verb stands at its struct.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Add(Box<add::Add>),
    #[command(visible_alias = "rm")]
    Remove(remove::Remove),
    #[command(visible_alias = "ls")]
    List(list::List),
    Show(show::Show),
    Set(Box<set::Set>),
    SetInterval(set_interval::SetInterval),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Accept(accept::Accept),
    RunNow(run_now::RunNow),
    Replay(replay::Replay),
    Tail(tail::Tail),
    Status(status::Status),
    Health(health::Health),
    Runs(runs::Runs),
    Logs(logs::Logs),
    Failures(failures::Failures),
    Retry(retry::Retry),
    Drop(drop::Drop),
    Files(files::Files),
    Explain(explain::Explain),
    Gaps(gaps::Gaps),
    Verify(verify::Verify),
    Reload(reload::Reload),
    Stop(stop::Stop),
    LogLevel(log_level::LogLevel),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    #[command(hide = true)]
    ManPage(man_page::ManPage),
}

/// What a verb works with.
pub struct Session<'a> {
    global: Global,
    /// Where results go.
    pub out: &'a Out,
}

impl Session<'_> {
    /// A connection for looking.
    pub async fn look(&self) -> Result<Client, Failure> {
        Ok(Client::connect(&self.global, Purpose::Look).await?)
    }

    /// A connection for changing something.
    pub async fn change(&self) -> Result<Client, Failure> {
        Ok(Client::connect(&self.global, Purpose::Change).await?)
    }
}

/// Runs the verb.
pub async fn run(cli: Cli, out: &Out) -> Result<(), Failure> {
    let session = Session { global: cli.global, out };
    let session = &session;
    // Boxed: a request carries every option of a watch, and would lie on the stack once for each verb.
    match cli.verb {
        Verb::Add(verb) => Box::pin(verb.run(session)).await,
        Verb::Remove(verb) => Box::pin(verb.run(session)).await,
        Verb::List(verb) => Box::pin(verb.run(session)).await,
        Verb::Show(verb) => Box::pin(verb.run(session)).await,
        Verb::Set(verb) => Box::pin(verb.run(session)).await,
        Verb::SetInterval(verb) => Box::pin(verb.run(session)).await,
        Verb::Pause(verb) => Box::pin(verb.run(session)).await,
        Verb::Resume(verb) => Box::pin(verb.run(session)).await,
        Verb::Accept(verb) => Box::pin(verb.run(session)).await,
        Verb::RunNow(verb) => Box::pin(verb.run(session)).await,
        Verb::Replay(verb) => Box::pin(verb.run(session)).await,
        Verb::Tail(verb) => Box::pin(verb.run(session)).await,
        Verb::Status(verb) => Box::pin(verb.run(session)).await,
        Verb::Health(verb) => Box::pin(verb.run(session)).await,
        Verb::Runs(verb) => Box::pin(verb.run(session)).await,
        Verb::Logs(verb) => Box::pin(verb.run(session)).await,
        Verb::Failures(verb) => Box::pin(verb.run(session)).await,
        Verb::Retry(verb) => Box::pin(verb.run(session)).await,
        Verb::Drop(verb) => Box::pin(verb.run(session)).await,
        Verb::Files(verb) => Box::pin(verb.run(session)).await,
        Verb::Explain(verb) => Box::pin(verb.run(session)).await,
        Verb::Gaps(verb) => Box::pin(verb.run(session)).await,
        Verb::Verify(verb) => Box::pin(verb.run(session)).await,
        Verb::Reload(verb) => Box::pin(verb.run(session)).await,
        Verb::Stop(verb) => Box::pin(verb.run(session)).await,
        Verb::LogLevel(verb) => Box::pin(verb.run(session)).await,
        Verb::Doctor(verb) => Box::pin(verb.run(session)).await,
        Verb::Completions(verb) => verb.run(session),
        Verb::ManPage(_) => man_page::ManPage::run(session),
    }
}
