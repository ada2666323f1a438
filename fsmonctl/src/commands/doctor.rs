//! `doctor`: what stands in the way, and what to do about it.

use clap::Args;
use fsmon_protocol::ErrorKind;
use fsmon_protocol::doctor::{Finding, Verdict};
use fsmon_protocol::path::{escape, tame};
use serde::Serialize;

use super::Session;
use crate::client::{ask, soon};
use crate::failure::Failure;

/// Look for what stands in the way of the daemon and its watches, and say what to do about it
///
/// Looks at limits and what is used of them, at the daemon's descriptors, disk, clock and what its service manager
/// forbids, and for each watch at its mount, its rights, and whether a file that is made in its root is heard of (the
/// file is removed at once; no command runs for it). Of runs that failed it tells those where the unit or a limit is to
/// blame, and which setting it is. Exit 0 only if nothing is bad, else 6.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl doctor
  fsmonctl doctor --json | jq -r '.findings[] | select(.verdict == \"bad\") | .cure'")]
pub struct Doctor {}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    well: bool,
    findings: Vec<Finding>,
}

impl Doctor {
    pub async fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let out = session.out;
        let client = session.look().await?;
        let findings = ask(client.rpc().doctor(soon())).await?;
        let well = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
        if out.is_json() {
            out.object(&Report { well, findings })?;
        } else {
            for finding in &findings {
                let word = match finding.verdict {
                    Verdict::Well => out.style().good("well"),
                    Verdict::Note => out.style().warn("note"),
                    Verdict::Bad => out.style().bad("bad "),
                };
                let of = finding.watch.as_deref().map_or_else(String::new, |w| format!("{}: ", escape(w.as_bytes())));
                out.line(&format!("{word}  {:<12} {of}{}", tame(&finding.topic), tame(&finding.message)))?;
                if let Some(cure) = &finding.cure {
                    out.line(&format!("      {:<12} {}", "->", tame(cure)))?;
                }
            }
        }
        if well { Ok(()) } else { Err(Failure::Silent(ErrorKind::Unhealthy)) }
    }
}
