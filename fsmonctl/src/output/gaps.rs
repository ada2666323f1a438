//! How gaps read for people.

use fsmon_protocol::Timestamp;
use fsmon_protocol::path::escape;
use fsmon_protocol::status::GapInfo;

use super::table::Sheet;
use super::text::{clock, number, relative, rough};
use super::{Out, json};
use crate::failure::Failure;

impl Out {
    /// Gaps: a table, or one object each.
    pub fn gaps(&self, gaps: &[GapInfo]) -> Result<(), Failure> {
        if self.is_json() {
            return gaps.iter().try_for_each(|gap| self.object(&json::gap(gap)));
        }
        let mut sheet = Sheet::new(&["GAP", "WATCH", "REASON", "SINCE", "LASTED", "FOUND", "BELOW"], &[6]);
        for gap in gaps {
            sheet.row(vec![
                gap.id.to_string(),
                escape(gap.watch.as_bytes()).into_owned(),
                gap.reason.as_str().into(),
                clock(gap.since),
                gap.closed.map_or_else(|| "open".into(), |closed| rough(closed.since(gap.since))),
                gap.found.map_or_else(|| "-".into(), number),
                gap.scope.to_string(),
            ]);
        }
        let mut lines = sheet.lines().into_iter();
        lines.next().map_or(Ok(()), |header| self.line(&self.style().bold(&header)))?;
        for (line, gap) in lines.zip(gaps) {
            // The open ones are to be seen at once.
            self.line(&if gap.closed.is_none() { self.style().bad(&line) } else { line })?;
        }
        Ok(())
    }
}

/// An open gap as a clause: `overflow below /data, since 3s ago`.
pub fn open_gap(gap: &GapInfo, now: Timestamp) -> String {
    format!("{} below {}, since {}", gap.reason.as_str(), gap.scope, relative(gap.since, now))
}
