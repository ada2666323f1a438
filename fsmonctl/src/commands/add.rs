//! `add`: a new watch, and what its first scan found.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use fsmon_protocol::path::{escape, tame};
use fsmon_protocol::spec::{Existing, WatchSpec, check_name};
use fsmon_protocol::status::{WatchState, WatchStatus};

use super::Session;
use super::dry_run::{DRY_RUN, dry_run};
use crate::args::{OptionArgs, absolute};
use crate::client::{Client, ask, soon, within};
use crate::failure::Failure;
use crate::output::next_occurrence;
use crate::output::text::{count, number};

/// Watch a folder or a file, and run a command for each file that is new or changed
///
/// PATH is made absolute. The watch is there as soon as this answers, and survives restarts; then its first scan is
/// shown until it is complete (Ctrl-C leaves it scanning). Without a command, events are only logged. A command is
/// never given to a shell; without placeholders such as {path} the file's path is appended to it. Where its program is not
/// there or not executable, in the PATH that the command will get, that is warned of; it may come later. With --dry-run nothing
/// is added: it says which files would be watched and for which the command would run at once.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl add /data                                     log what happens below /data
  fsmonctl add /data -- cp {path} /srv/copies/           run a command for each new or changed file
  fsmonctl add . --name inbox --include '*.csv' -- import
  fsmonctl add /data --exclude '*.gz' --existing run -- gzip -kf {path}
                                                         also for the files that are there already
  fsmonctl add /in -- sha256sum {fd}                     the very file, opened, whatever others put in its place
  fsmonctl add ~/src/app --gitignore -- make test        without what git ignores there
  fsmonctl add /data --ready-file '{name}.done' --min-age 5s -- import {path}
                                                         x.csv, once x.csv.done is there
  fsmonctl add /data --dedupe content -- import          not for a touch, or the same written again
  fsmonctl add /out --break-after 5 -- upload            after 5 failures in a row one file at a time, until one succeeds
  fsmonctl add /data --nice 10 --umask 027 --output-max 64K -- import
                                                         for the command: priority, rights of new files, output kept
  fsmonctl add /in --order name --key '^([^/]+)/' --concurrency 8 -- import
                                                         in order within each folder, eight folders at once
  fsmonctl add /in --on-success move:/done --on-failure move:/bad -- import
                                                         files leave when they are done
  fsmonctl add /data --mode batch --batch-wait 10s -- import {paths}
                                                         many files in one run
  fsmonctl add /data --mode worker --concurrency 2 -- /usr/local/bin/worker.py
                                                         processes that stay, a line for each file
  fsmonctl add /data --every 15m --on-schedule all -- check
  fsmonctl add /data --cron '30 2 * * *' --tz Europe/Paris --on-schedule once -- backup
                                                         every night once, what changed on its stdin
  fsmonctl add /data --include '*.csv' --existing run --dry-run -- import
                                                         only say what that would match and run")]
pub struct Add {
    /// Folder or file to watch
    path: PathBuf,

    /// Name of the watch [default: the last component of PATH, made unique]
    #[arg(long)]
    name: Option<String>,

    #[command(flatten)]
    options: OptionArgs,

    /// Only say what would match and run, and add nothing
    #[arg(long)]
    dry_run: bool,

    /// The command to run for each file, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// How often the first scan is asked about.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// For how long the first scan is followed.
const FOLLOW_FOR: Duration = Duration::from_secs(600);

impl Add {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        let command = (!self.command.is_empty()).then_some(self.command);
        let spec = WatchSpec {
            name: self.name.unwrap_or_default(),
            path: absolute(&self.path)?,
            options: self.options.into_options(command)?,
        };
        let client = session.change().await?;
        if self.dry_run {
            let question = client.rpc().dry_add(within(DRY_RUN), spec);
            return Box::pin(dry_run(session, question, false)).await;
        }
        let added = ask(client.rpc().add(soon(), spec)).await?;
        let warnings = added.warnings.clone();
        let (watch, complete) = Box::pin(first_scan(session, &client, added)).await?;
        let watch = WatchStatus { warnings, ..watch };
        if session.out.is_json() {
            return session.out.object(&watch);
        }
        if !session.out.is_quiet() {
            tell(session, &watch, complete)?;
        }
        session.out.doubts(&watch);
        Ok(())
    }
}

/// Follows the first scan; returns the watch as it is then, and whether the scan is complete.
async fn first_scan(
    session: &Session<'_>,
    client: &Client,
    mut watch: WatchStatus,
) -> Result<(WatchStatus, bool), Failure> {
    let name = escape(watch.name.as_bytes()).into_owned();
    let until = Instant::now() + FOLLOW_FOR;
    let progress = session.out.progress();
    while watch.scan.is_some() || watch.state == WatchState::Scanning {
        if Instant::now() >= until {
            return Ok((watch, false));
        }
        let scan = watch.scan.unwrap_or_default();
        progress.set(&format!(
            "'{name}' is added; first scan: {} looked at, {} to go (Ctrl-C leaves it scanning)",
            number(scan.looked),
            count(scan.folders_left, "folder"),
        ));
        tokio::time::sleep(ASK_EVERY).await;
        watch = ask(client.rpc().show(soon(), watch.name.clone())).await?;
    }
    Ok((watch, true))
}

/// Says what there is now.
fn tell(session: &Session<'_>, watch: &WatchStatus, complete: bool) -> Result<(), Failure> {
    let out = session.out;
    out.line(&format!("added '{}': {}", escape(watch.name.as_bytes()), escape(watch.path.as_bytes())))?;
    if !complete {
        out.line("the first scan goes on; see: fsmonctl show")?;
    } else if watch.state == WatchState::Waiting {
        out.line("nothing is there yet; it is watched as soon as it is")?;
    } else {
        let found = format!("found {} in {}", count(watch.files, "file"), count(watch.folders, "folder"));
        let then = if watch.files == 0 {
            String::new()
        } else if watch.rules.existing == Existing::Run {
            format!("; {} pending", number(watch.pending))
        } else {
            let are = if watch.files == 1 { "is" } else { "are" };
            format!("; {} already there {are} taken as done; --existing run processes them", count(watch.files, "file"))
        };
        out.line(&format!("{found}{then}"))?;
    }
    for detail in &watch.details {
        let state = out.style().state(watch.state);
        out.line(&format!("{state}: {}", tame(detail)))?;
    }
    if watch.rules.command.is_empty() {
        out.line("no command: events are only logged; see: fsmonctl tail")?;
    }
    Ok(out.line(&format!("next occurrence: {}", next_occurrence(watch)))?)
}
