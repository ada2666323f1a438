//! How the differences that `verify` found read.

use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::path::tame;
use fsmon_protocol::verify::{Difference, DifferenceKind, VerifyReply};
use serde_json::{Value, json};

use super::text::{count, number};
use super::{Out, json};
use crate::failure::Failure;

impl Out {
    /// Some differences: a line, or one object each.
    pub fn differences(&self, differences: &[Difference]) -> Result<(), Failure> {
        for difference in differences {
            if self.is_json() {
                self.object(&json::difference(difference))?;
                continue;
            }
            let word = self.style().bad(&format!("{:<8}", difference.kind.as_str()));
            let detail = detail(difference);
            let detail = if detail.is_empty() { detail } else { format!(" ({detail})") };
            self.line(&format!("{word} {}{detail}", difference.path))?;
        }
        Ok(())
    }

    /// All in all.
    pub fn verified(&self, sum: &VerifyReply) -> Result<(), Failure> {
        let kinds = || DifferenceKind::ALL.into_iter().zip(&sum.counts);
        let same = sum.counts.iter().all(|&count| count == 0);
        if self.is_json() {
            let mut object = json!({"same": same, "folders": sum.folders, "entries": sum.entries});
            for (kind, &count) in kinds() {
                object[kind.as_str()] = Value::from(count);
            }
            return self.object(&object);
        }
        let compared = format!("{} in {} compared", count(sum.entries, "name"), count(sum.folders, "folder"));
        if same {
            self.line(&format!("{}: {compared}", self.style().good("nothing differs")))?;
        } else {
            let each = kinds().filter(|(_, count)| **count > 0);
            let each: Vec<_> = each.map(|(kind, &count)| format!("{} {}", number(count), kind.as_str())).collect();
            self.line(&format!("{compared}: {}", self.style().bad(&each.join(", "))))?;
        }
        Ok(())
    }
}

/// What about it differs, as far as is known.
fn detail(difference: &Difference) -> String {
    let mut parts: Vec<String> = difference.why.iter().map(|why| tame(why).into_owned()).collect();
    match (difference.known, difference.found) {
        (Some(known), Some(found)) if known != found => {
            parts.push(format!("{} in the ledger, {} on disk", known.as_str(), found.as_str()));
        }
        (Some(FileType::Dir), Some(_)) => parts.push("another folder, or mount".to_owned()),
        (None, Some(FileType::Dir)) => parts.push("a folder".to_owned()),
        _ => {}
    }
    if let (Some(ledger), Some(disk)) = (difference.ledger, difference.disk)
        && difference.known != Some(FileType::Dir)
    {
        if ledger.size != disk.size {
            parts.push(format!("{} bytes in the ledger, {} on disk", number(ledger.size), number(disk.size)));
        }
        let others = [
            ("inode", ledger.inode != disk.inode),
            ("mtime", ledger.mtime != disk.mtime),
            ("ctime", ledger.ctime != disk.ctime),
        ];
        parts.extend(others.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| format!("other {what}")));
    }
    parts.join(", ")
}
