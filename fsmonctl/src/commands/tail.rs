//! `tail`: the journal's records, live or from earlier, across restarts of the daemon.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::PossibleValuesParser;
use fsmon_protocol::line::KINDS;
use fsmon_protocol::rpc_types::{Cursor, LONGEST_WAIT, TailReply, TailRequest};
use fsmon_protocol::{ErrorKind, Span, Timestamp};
use serde_json::json;

use super::Session;
use crate::args::watches;
use crate::client::{Client, ask, millis, soon, within};
use crate::failure::Failure;
use crate::output::reader;
use crate::output::text::count;

/// What happens, live from now on; or what happened
///
/// Shows files that change, runs, gaps, occurrences of schedules. Goes on when the daemon is started again within
/// 10 s, without leaving anything out. Ctrl-C ends it.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl tail
  fsmonctl tail data -n 20 --no-follow       the last 20 records of one watch
  fsmonctl tail --since 1h --kinds run,gap   the last hour's runs and gaps, and on from there
  fsmonctl tail --since 184 --json           what came after record 184")]
pub struct Tail {
    /// Names or paths of watches [default: all]
    watch: Vec<OsString>,

    /// Begin with the last N records [default: 0, with --no-follow 10]
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "since")]
    lines: Option<u32>,

    /// Begin so long ago, or at this time (RFC 3339), or after the record of this number
    #[arg(long, value_name = "D|TIME|SEQ")]
    since: Option<Since>,

    /// End at the newest record
    #[arg(long)]
    no_follow: bool,

    /// Only these kinds
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = PossibleValuesParser::new(KINDS))]
    kinds: Vec<String>,
}

/// From where on: a duration back, a time, or a record's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Since(Cursor);

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(seq) = text.parse() {
            return Ok(Self(Cursor::After(seq)));
        }
        if let Ok(Span(span)) = text.parse() {
            return Ok(Self(Cursor::Since(Timestamp::now().minus(span))));
        }
        text.parse().map(|time| Self(Cursor::Since(time))).map_err(|_| {
            "give a duration like 30m or 2h, a time like 2026-11-23T18:10:00Z, or the number of a record".into()
        })
    }
}

/// How many records one request asks for.
const PAGE: u32 = 1000;

/// How long a daemon that went away has to come back.
const COME_BACK: Duration = Duration::from_secs(10);

/// What `--no-follow` shows when nothing else is said; the same as `tail` does.
const LAST: u32 = 10;

impl Tail {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let cursor = match (self.since, self.lines) {
            (Some(since), _) => since.0,
            (None, Some(n)) => Cursor::Last(n),
            (None, None) if self.no_follow => Cursor::Last(LAST),
            (None, None) => Cursor::Now,
        };
        // The first request does not wait: its answer says where "now" is, so that a daemon that goes away right
        // after it can be asked for what came since.
        let mut request =
            TailRequest { cursor, watches: watches(&self.watch)?, kinds: self.kinds, max: PAGE, wait_ms: 0 };
        let mut client = session.look().await?;
        if !self.no_follow {
            reader::watch();
        }
        loop {
            let reply = match page(&client, &request).await {
                Ok(reply) => reply,
                Err(Failure::Told(error)) if error.kind == ErrorKind::NoDaemon && !self.no_follow => {
                    client = Box::pin(reconnect(session, &mut request)).await?;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            if reply.missed > 0 {
                let text = format!("{} between are gone: retention took them", count(reply.missed, "record"));
                session.out.warning(&text, &json!({ "missed": reply.missed, "next": reply.next }));
            }
            session.out.records(&reply.records)?;
            if self.no_follow && !reply.more {
                return Ok(());
            }
            request.cursor = Cursor::After(reply.next);
            request.wait_ms = if self.no_follow { 0 } else { millis(LONGEST_WAIT) };
        }
    }
}

/// Asks for one page.
async fn page(client: &Client, request: &TailRequest) -> Result<TailReply, Failure> {
    let wait = Duration::from_millis(request.wait_ms.into());
    Ok(ask(client.rpc().tail(within(wait), request.clone())).await?)
}

/// Waits for the daemon to come back, and for a cursor that fits it.
async fn reconnect(session: &Session<'_>, request: &mut TailRequest) -> Result<Client, Failure> {
    session.out.note("the daemon went away; waiting for it to come back");
    let until = Instant::now() + COME_BACK;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let come = match session.look().await {
            Ok(client) => match ask(client.rpc().status(soon())).await {
                Ok(status) => Ok((client, status.last_seq)),
                Err(error) => Err(Failure::Told(error)),
            },
            Err(failure) => Err(failure),
        };
        match come {
            Ok((client, last)) => {
                session.out.note("the daemon is back");
                // Numbers are never used again, so a smaller one means that this is another journal.
                if let Cursor::After(seq) = request.cursor
                    && last < seq
                {
                    let text = "its journal is another one: all of it follows";
                    session.out.warning(text, &json!({ "journal": "new", "next": 0 }));
                    request.cursor = Cursor::After(0);
                }
                return Ok(client);
            }
            Err(Failure::Told(error)) if error.kind == ErrorKind::NoDaemon && Instant::now() < until => {}
            Err(failure) => return Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_takes_a_number_a_duration_or_a_time() {
        assert_eq!("184".parse(), Ok(Since(Cursor::After(184))));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Since(Cursor::Since(Timestamp(1_000_000_000)))));
        let Ok(Since(Cursor::Since(hour_ago))) = "1h".parse() else { panic!("not a time") };
        let ago = Timestamp::now().since(hour_ago);
        assert!((3600..3700).contains(&ago.as_secs()), "{ago:?}");
        assert!("yesterday".parse::<Since>().is_err());
    }
}
