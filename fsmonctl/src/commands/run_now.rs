//! `run-now`: a reconcile now, then what is pending; followed in slices.

use std::ffi::OsString;

use clap::Args;
use fsmon_protocol::ErrorKind;
use fsmon_protocol::rpc_types::{LONGEST_WAIT, SweepStage, SweepStatus};

use super::Session;
use crate::args::watches;
use crate::client::{Client, ask, millis, soon, within};
use crate::failure::Failure;
use crate::output::text::{count, number};

/// Look at everything now and run what is pending
///
/// Compares the tree with what was done, then runs what is pending; files that wait for another attempt go at once.
/// Failed files are left alone: see `retry`.
/// Without WATCH, every watch. With --wait it returns when all of it is done: exit 6 if a run failed, or was not
/// made since too many failed in a row (--break-after).
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl run-now
  fsmonctl run-now data --wait            and wait for the results
  fsmonctl run-now data --all-files       run the command for every file once more")]
pub struct RunNow {
    /// Names or paths of watches [default: every watch]
    watch: Vec<OsString>,

    /// Run every matching file once more, not only those that are pending; failed ones only by `retry`
    #[arg(long)]
    all_files: bool,

    /// Wait until all of it has succeeded, failed or vanished
    #[arg(long)]
    wait: bool,
}

impl RunNow {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let names = watches(&self.watch)?;
        let out = session.out;
        let client = session.change().await?;
        let sweep = ask(client.rpc().run_now(soon(), names, self.all_files)).await?;
        let sweep = Box::pin(follow(session, &client, sweep, SweepStage::Reconciling)).await?;
        if !out.is_json() {
            out.line(&looked(&sweep, self.all_files))?;
            if sweep.set_aside > 0 {
                out.note(&format!("{} left alone: fsmonctl retry runs them", count(sweep.set_aside, "failed file")));
            }
        }
        if self.wait {
            return Box::pin(wait_for(session, &client, sweep)).await;
        }
        if out.is_json() { out.object(&sweep) } else { Ok(()) }
    }
}

/// Waits until all of a sweep is done, and says what came of it.
pub(super) async fn wait_for(session: &Session<'_>, client: &Client, sweep: SweepStatus) -> Result<(), Failure> {
    let out = session.out;
    let sweep = follow(session, client, sweep, SweepStage::Running).await?;
    if out.is_json() {
        out.object(&sweep)?;
    } else {
        let (ok, failed) = (number(sweep.ok), number(sweep.failed));
        out.line(&format!("{ok} ok, {failed} failed, {} vanished{}", number(sweep.vanished), left(&sweep)))?;
    }
    if sweep.not_run > 0 {
        out.note("too many runs in a row failed; see: fsmonctl runs, fsmonctl status");
    } else if sweep.failed > 0 {
        out.note("see: fsmonctl runs --failed");
    } else if sweep.not_ready > 0 {
        out.note("what a file waits for: fsmonctl explain PATH");
    }
    if sweep.failed + sweep.not_run > 0 { Err(Failure::Silent(ErrorKind::Unhealthy)) } else { Ok(()) }
}

/// What the reconcile found.
fn looked(sweep: &SweepStatus, all_files: bool) -> String {
    let line = format!("{} looked at, {} pending", count(sweep.looked, "file"), number(sweep.pending));
    if all_files { line } else { format!("{line} (--all-files runs them all)") }
}

/// Files that wait until a run succeeds, or for their ready files, where there are any.
fn left(sweep: &SweepStatus) -> String {
    let some = |files: u64, what: &str| if files > 0 { format!(", {} {what}", number(files)) } else { String::new() };
    some(sweep.not_run, "not run") + &some(sweep.not_ready, "not ready")
}

/// Asks again until the sweep is past `stage`.
pub(super) async fn follow(
    session: &Session<'_>,
    client: &Client,
    mut sweep: SweepStatus,
    stage: SweepStage,
) -> Result<SweepStatus, Failure> {
    // The daemon answers early only when the stage is over, and a person wants to see the numbers move before that.
    let progress = session.out.progress();
    let slice = if progress.is_shown() { PROGRESS_SLICE } else { LONGEST_WAIT };
    while sweep.stage <= stage {
        progress.set(&match sweep.stage {
            SweepStage::Reconciling => format!("{} looked at (Ctrl-C leaves it running)", count(sweep.looked, "file")),
            SweepStage::Running | SweepStage::Done => format!(
                "{} of {} ok, {} failed (Ctrl-C leaves it running)",
                number(sweep.ok),
                number(sweep.pending),
                number(sweep.failed)
            ),
        });
        sweep = ask(client.rpc().sweep(within(slice), sweep.id, sweep.stage, millis(slice))).await?;
    }
    Ok(sweep)
}

/// How long one question waits while the progress is shown.
const PROGRESS_SLICE: std::time::Duration = std::time::Duration::from_millis(500);
