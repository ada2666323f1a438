//! What `--watch` shows: every record as a line on stdout, as `fsmonctl tail` prints it.
//!
//! It reads the ring like any other reader, so a stdout that takes nothing holds up nobody: what the ring has let go
//! meanwhile is read from the store, and nothing is left out.

use std::io::{self, Write};
use std::time::Duration;

use fsmon_protocol::line::text_line;
use fsmon_protocol::{ApiError, Record};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::failure::Failure;
use crate::edges::{History, JournalQuery};
use crate::engine::{EngineHandle, Ring, RingRead};
use crate::store::Reader;

/// Records taken at once.
const AT_ONCE: usize = 1024;
/// How soon to ask again for records that the ring has let go and the store has not committed yet.
const COMMIT_PAUSE: Duration = Duration::from_millis(10);
/// How long the end waits for a stdout that takes nothing.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The thread that prints.
#[derive(Debug)]
pub struct Printer {
    ended: oneshot::Receiver<io::Result<()>>,
}

impl Printer {
    /// Prints every record after number `after`.
    pub fn start(engine: &EngineHandle, history: Reader, after: u64) -> Result<Self, Failure> {
        let (tell, ended) = oneshot::channel();
        let ring = engine.ring();
        let runtime = Handle::current();
        std::thread::Builder::new()
            .name("stdout".into())
            .spawn(move || {
                let printed = runtime.block_on(print(ring, history, after));
                // Nobody asks any more once the daemon is gone.
                drop(tell.send(printed));
            })
            .map_err(|e| Failure::because("can't start a thread for stdout", &e))?;
        Ok(Self { ended })
    }

    /// Waits until stdout takes no more, and says why. Cancel-safe. To be dropped once it has answered.
    pub async fn closed(&mut self) -> io::Error {
        match (&mut self.ended).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) | Err(_) => io::Error::other("the thread has ended"),
        }
    }

    /// After the engine has ended: waits until the last line is printed.
    pub async fn finish(self) {
        // What is left of a stdout that takes nothing is in the journal.
        let _ = timeout(LAST_LINES, self.ended).await;
    }
}

async fn print(mut ring: Ring, history: Reader, mut after: u64) -> io::Result<()> {
    loop {
        match ring.read(after, AT_ONCE) {
            RingRead::Entries(entries) if entries.is_empty() => {
                if !ring.wait_beyond(after).await {
                    return Ok(());
                }
            }
            RingRead::Entries(entries) => {
                for entry in entries {
                    line(&entry.record)?;
                    after = entry.record.seq;
                }
            }
            RingRead::Older(gone) => after = older(&history, after, gone).await.map_err(io::Error::other)?,
        }
    }
}

/// Prints from the store. Gives the number up to which all is printed.
async fn older(history: &Reader, after: u64, gone: u64) -> Result<u64, ApiError> {
    let max = u32::try_from(AT_ONCE).unwrap_or(u32::MAX);
    let page = history.journal(JournalQuery { after, max, ..JournalQuery::default() }).await?;
    for record in page.records.iter().filter(|record| record.seq <= gone) {
        line(record).map_err(|e| ApiError::refused(e.to_string()))?;
    }
    let next = page.next.min(gone);
    if next <= after {
        sleep(COMMIT_PAUSE).await;
    }
    Ok(next.max(after))
}

/// One line in one write, so that a reader sees it at once and whole.
fn line(record: &Record) -> io::Result<()> {
    let mut text = text_line(record);
    text.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
