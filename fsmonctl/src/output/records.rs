//! Records of the journal and pieces of output, in the forms that `protocol::line` gives them.

use fsmon_protocol::event::{EventKind, GapReason, OccurrenceStatus, Record, What};
use fsmon_protocol::line::{TextLine, json_line};
use fsmon_protocol::rpc_types::LogChunk;
use fsmon_protocol::run::RunStatus;

use super::{Out, Style, json};
use crate::failure::Failure;

impl Out {
    /// Records, one line each; written together and flushed.
    pub fn records(&self, records: &[Record]) -> Result<(), Failure> {
        let mut lines = String::new();
        for record in records {
            if self.is_json() {
                lines.push_str(&json_line(record));
            } else {
                lines.push_str(&text(record, self.style()));
            }
            lines.push('\n');
        }
        Ok(self.bytes(lines.as_bytes())?)
    }

    /// A piece of a run's output as an object.
    pub fn chunk(&self, offset: u64, chunk: &LogChunk) -> Result<(), Failure> {
        self.object(&json::chunk(offset, chunk))
    }
}

/// A record for people, its kind coloured by whether someone should look.
fn text(record: &Record, style: Style) -> String {
    let line = TextLine::from(record);
    // Padded before it is coloured: the codes have no width.
    let kind = format!("{:<8}", line.kind);
    let kind = match &record.what {
        What::Event(event) if event.kind == EventKind::Create => style.good(&kind),
        What::Event(event) if event.kind == EventKind::Delete => style.warn(&kind),
        What::Run(run) => match run.status {
            RunStatus::Ok => style.good(&kind),
            RunStatus::Failed | RunStatus::Lost => style.bad(&kind),
            RunStatus::Retry | RunStatus::Interrupted => style.warn(&kind),
            RunStatus::Started | RunStatus::Later | RunStatus::Vanished => kind,
        },
        What::Gap(gap) if !gap.closed && gap.reason != GapReason::Down => style.bad(&kind),
        What::Schedule(due) if due.status != OccurrenceStatus::Done => style.warn(&kind),
        What::Event(_) | What::Gap(_) | What::Schedule(_) | What::Service(_) | What::Watch(_) => kind,
    };
    format!("{}  {}  {kind}  {}", line.time, line.watch, line.rest)
}

#[cfg(test)]
mod tests {
    use fsmon_protocol::Timestamp;
    use fsmon_protocol::event::ServiceStatus;
    use fsmon_protocol::line::text_line;

    use super::*;

    #[test]
    fn without_colour_it_is_the_line_of_the_protocol() {
        let what = What::Service(ServiceStatus::Started);
        let record = Record { seq: 1, time: Timestamp(0), watch: None, what };
        assert_eq!(text(&record, Style::new(false)), text_line(&record));
    }
}
