//! `replay`: gives files out again that were processed already, or set aside, at a pace that lets what changes go first.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use fsmon_protocol::path::escape;
use fsmon_protocol::rpc_types::{Again, ReplayRequest, SweepStage};
use fsmon_protocol::{Span, Timestamp};

use super::Session;
use super::run_now::{follow, wait_for};
use crate::args::watch;
use crate::client::{ask, soon};
use crate::failure::Failure;
use crate::output::text::count;

/// Give files out again, at a pace and behind what changes
///
/// Looks at everything now, then runs the command once more for the files that are meant: those that changed since a time,
/// all, or those that failed. They are given out at --rate and behind everything else: what changes meanwhile never waits for
/// more of them than the watch can run at once. A file that is pending already runs once for both causes. Their trigger is
/// `manual`, and `FSMON_EVENT_ID` is another one than before. Failed files are left alone, but by --state failed.
/// What is not yet given out when the daemon ends goes on at its next start, then without the rate.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl replay data --since 1d              what changed in the last 24 hours, ten files a second
  fsmonctl replay data --since 2026-11-24T18:00:00Z --dry-run
                                               only say how many files that would be
  fsmonctl replay data --all --rate 100/m --wait
                                               every file, a hundred a minute, and wait for the results
  fsmonctl replay data --state failed --rate off
                                               what was set aside, as fast as it goes")]
pub struct Replay {
    /// Name or path of a watch
    watch: OsString,

    /// Files that changed, or came under their name, since so long ago or since this time (RFC 3339)
    #[arg(long, value_name = "D|TIME", group = "which")]
    since: Option<Since>,

    /// Every file
    #[arg(long, group = "which")]
    all: bool,

    /// Files in this state
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(["failed"]), group = "which")]
    state: Option<String>,

    /// How many files are given out in a second (10/s), a minute (100/m) or an hour (500/h); off: as fast as it goes
    #[arg(long, value_name = "N/s|off", default_value = "10/s")]
    rate: Rate,

    /// Only say how many files it would be
    #[arg(long)]
    dry_run: bool,

    /// Wait until all of it has succeeded, failed or vanished
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Since(Timestamp);

impl FromStr for Since {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let back = text.parse::<Span>().map(|span| Timestamp::now().minus(span.0));
        let time = back.or_else(|_| text.parse());
        time.map(Self).map_err(|_| {
            let given = escape(text.as_bytes());
            format!("'{given}' is neither a duration like 1h or 2d nor a time like 2026-11-23T18:10:00Z")
        })
    }
}

/// How fast files are given out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rate {
    /// So far apart.
    pause: Span,
    /// As people read it.
    text: String,
}

impl FromStr for Rate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self { pause: Span::secs(0), text: "as fast as it goes".into() });
        }
        let (files, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3600),
            _ => None,
        };
        let files = files.parse::<u32>().ok().filter(|&files| files > 0);
        let (Some(files), Some(seconds)) = (files, seconds) else {
            let given = escape(text.as_bytes());
            return Err(format!("'{given}' is neither a rate like 10/s, 100/m or 500/h nor 'off'"));
        };
        Ok(Self { pause: Span(Duration::from_secs(seconds) / files), text: format!("at {files}/{unit}") })
    }
}

impl Replay {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let again = match (self.since, self.all, &self.state) {
            (Some(Since(time)), ..) => Again::Since(time),
            (None, true, _) => Again::All,
            (None, false, Some(_)) => Again::Failed,
            (None, false, None) => {
                return Err(fsmon_protocol::ApiError::usage("it is not said which files are given out again")
                    .hint("give --since D, --all or --state failed; with --dry-run it only says how many that are")
                    .into());
            }
        };
        let Rate { pause, text } = self.rate;
        let request = ReplayRequest { watch: watch(&self.watch)?, again, pause, dry_run: self.dry_run };
        let out = session.out;
        let client = session.change().await?;
        let sweep = ask(client.rpc().replay(soon(), request)).await?;
        let sweep = Box::pin(follow(session, &client, sweep, SweepStage::Reconciling)).await?;
        if !out.is_json() {
            let files = count(sweep.pending, "file");
            let one = sweep.pending == 1;
            out.line(&match (self.dry_run, one) {
                (true, _) => format!("dry run: {files} would be given out again, {text}"),
                (false, true) => format!("{files} is given out again, {text}"),
                (false, false) => format!("{files} are given out again, {text}"),
            })?;
            if sweep.set_aside > 0 {
                out.note(&format!("{} left alone: --state failed runs them", count(sweep.set_aside, "failed file")));
            }
        }
        if self.wait {
            return Box::pin(wait_for(session, &client, sweep)).await;
        }
        if out.is_json() { out.object(&sweep) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_are_read_as_people_write_them() {
        let rate = |text: &str| text.parse::<Rate>().map(|rate| (rate.pause, rate.text));
        assert_eq!(rate("10/s"), Ok((Span::millis(100), "at 10/s".into())));
        assert_eq!(rate("4"), Ok((Span::millis(250), "at 4/s".into())));
        assert_eq!(rate("120/m"), Ok((Span::millis(500), "at 120/m".into())));
        assert_eq!(rate("off"), Ok((Span::secs(0), "as fast as it goes".into())));
        for wrong in ["0/s", "-1/s", "10/d", "fast", "", "/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Since(Timestamp(1_000_000_000))));
        assert!("yesterday".parse::<Since>().is_err());
    }
}
