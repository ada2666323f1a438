//! `logs`: the output of one run, exact for a program, escaped for a terminal.

use std::io::{self, IsTerminal};

use clap::Args;
use fsmon_protocol::rpc_types::LONGEST_WAIT;
use fsmon_protocol::run::RunStatus;

use super::Session;
use crate::client::{ask, millis, within};
use crate::failure::Failure;
use crate::output::reader;
use crate::output::text::{Escaper, count};

/// The output of one run, stdout and stderr as they came
///
/// On a terminal control characters are shown escaped, so that no output can play tricks on it; --raw prints the bytes
/// as they are. Into a file or a pipe they always are as they are.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl logs 184
  fsmonctl logs 184 -f          follow it while the command runs
  fsmonctl logs 184 --raw       with the colours the command wrote")]
pub struct Logs {
    /// Number of the run, as `runs` and `tail` show it
    run: u64,

    /// Go on until the run has ended
    #[arg(short, long)]
    follow: bool,

    /// Print control characters as they are, on a terminal too
    #[arg(long)]
    raw: bool,
}

impl Logs {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let out = session.out;
        let mut escaper = (!self.raw && io::stdout().is_terminal()).then(Escaper::default);
        let client = session.look().await?;
        if self.follow {
            reader::watch();
        }
        let mut offset = 0;
        loop {
            let slice = if self.follow { LONGEST_WAIT } else { std::time::Duration::ZERO };
            let chunk = ask(client.rpc().logs(within(slice), self.run, offset, millis(slice))).await?;
            if out.is_json() {
                out.chunk(offset, &chunk)?;
            } else if let Some(escaper) = &mut escaper {
                out.bytes(escaper.push(&chunk.bytes).as_bytes())?;
            } else {
                out.bytes(&chunk.bytes)?;
            }
            // Without -f an empty piece is the end of what there is now.
            if chunk.finished || (!self.follow && chunk.bytes.is_empty()) {
                if let Some(escaper) = escaper {
                    out.bytes(escaper.finish().as_bytes())?;
                }
                if chunk.info.output_dropped > 0 {
                    let dropped = count(chunk.info.output_dropped, "byte");
                    out.note(&format!("{dropped} more than is kept, and dropped"));
                }
                if chunk.info.status == RunStatus::Started && !chunk.finished {
                    out.note("the command is still running; -f follows it");
                }
                return Ok(());
            }
            offset = chunk.next;
        }
    }
}
