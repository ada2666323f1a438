//! One log line for each record of the journal.
//!
//! The level says what a person has to know: WARN is trouble that is being repaired, ERROR is loss or the need of a
//! person. How many lines a second are written is the log's own business; fields are only formatted if they are.

use fsmon_protocol::Record;
use fsmon_protocol::event::{
    Event, Gap, GapReason, Occurrence, OccurrenceStatus, RunRecord, ServiceStatus, WatchChange, WatchChangeStatus, What,
};
use fsmon_protocol::run::RunStatus;
use tracing::{error, info, warn};

/// The word for a record's kind, as `tail --kinds` takes it.
pub const fn kind_of(what: &What) -> &'static str {
    match what {
        What::Event(event) => event.kind.as_str(),
        What::Gap(_) => "gap",
        What::Run(_) => "run",
        What::Schedule(_) => "schedule",
        What::Service(_) => "service",
        What::Watch(_) => "watch",
    }
}

/// Writes the line.
pub(super) fn log_record(record: &Record) {
    let watch = record.watch.as_deref().unwrap_or_default();
    match &record.what {
        What::Event(event) => log_event(watch, event),
        What::Run(run) => log_run(watch, run),
        What::Gap(gap) => log_gap(watch, gap),
        What::Schedule(occurrence) => log_occurrence(watch, occurrence),
        What::Service(status) => log_service(*status),
        What::Watch(change) => log_watch(watch, change),
    }
}

fn log_event(watch: &str, event: &Event) {
    let from = event.from.as_ref().map(tracing::field::display);
    info!(
        target: "fsmond::event",
        watch,
        kind = event.kind.as_str(),
        path = %event.path,
        from,
        size = event.size,
        "event"
    );
}

fn log_run(watch: &str, run: &RunRecord) {
    let path = run.path.as_ref().map(tracing::field::display);
    macro_rules! line {
        ($level:ident, $text:literal) => {
            $level!(
                target: "fsmond::run",
                watch,
                run = run.run,
                path,
                files = run.files,
                trigger = run.trigger.as_str(),
                attempt = run.attempt,
                exit = run.exit,
                ms = run.ms,
                $text
            )
        };
    }
    match run.status {
        RunStatus::Started => line!(info, "run started"),
        RunStatus::Ok => line!(info, "run ok"),
        RunStatus::Later => line!(info, "run will be made later"),
        RunStatus::Vanished => line!(info, "file gone before its run"),
        RunStatus::Interrupted => line!(info, "run interrupted"),
        RunStatus::Retry => line!(warn, "run failed, will be tried again"),
        RunStatus::Lost => line!(warn, "run lost its result, will be made again"),
        RunStatus::Failed => line!(error, "run failed for good, the file is set aside"),
    }
}

fn log_gap(watch: &str, gap: &Gap) {
    if gap.closed {
        info!(target: "fsmond::gap", watch, reason = ?gap.reason, scope = %gap.scope, found = gap.found, "gap closed");
    } else if gap.reason == GapReason::Down {
        // That is how every start begins, and nothing to worry about: the first scan finds what changed.
        info!(target: "fsmond::gap", watch, scope = %gap.scope, "looking for what changed while fsmond was not running");
    } else {
        warn!(target: "fsmond::gap", watch, reason = ?gap.reason, scope = %gap.scope, "events may have been lost");
    }
}

fn log_occurrence(watch: &str, occurrence: &Occurrence) {
    let Occurrence { due, looked, pending, status } = occurrence;
    match status {
        OccurrenceStatus::Done => info!(target: "fsmond::schedule", watch, %due, looked, pending, "schedule done"),
        OccurrenceStatus::SkippedBusy => {
            warn!(target: "fsmond::schedule", watch, %due, "schedule skipped: the one before is not finished");
        }
        OccurrenceStatus::SkippedPaused => {
            info!(target: "fsmond::schedule", watch, %due, "schedule skipped: the watch is paused");
        }
        OccurrenceStatus::SkippedUnable => {
            warn!(target: "fsmond::schedule", watch, %due, "schedule skipped: the watch waits or is held");
        }
        OccurrenceStatus::SkippedMissed => {
            info!(target: "fsmond::schedule", watch, %due, "schedule skipped: its time went by unserved");
        }
    }
}

fn log_service(status: ServiceStatus) {
    match status {
        ServiceStatus::Started => info!(target: "fsmond::service", "service started"),
        ServiceStatus::Stopped => info!(target: "fsmond::service", "service stopped"),
        ServiceStatus::Reloaded => info!(target: "fsmond::service", "config read again"),
    }
}

fn log_watch(watch: &str, change: &WatchChange) {
    let detail = change.detail.as_deref().map(|text| fsmon_protocol::path::escape(text.as_bytes()));
    let detail = detail.as_ref().map(tracing::field::display);
    macro_rules! line {
        ($level:ident, $text:literal) => {
            $level!(target: "fsmond::watch", watch, detail, $text)
        };
    }
    match change.status {
        WatchChangeStatus::Added => line!(info, "watch added"),
        WatchChangeStatus::Detached => line!(info, "watch detached"),
        WatchChangeStatus::Attached => line!(info, "watch taken up again"),
        WatchChangeStatus::Removed => line!(info, "watch removed"),
        WatchChangeStatus::Changed => line!(info, "watch changed"),
        WatchChangeStatus::Ready => line!(info, "watch ready"),
        WatchChangeStatus::Recovered => line!(info, "watch whole again"),
        WatchChangeStatus::Paused => line!(info, "watch paused"),
        WatchChangeStatus::Resumed => line!(info, "watch resumed"),
        WatchChangeStatus::Retried => line!(info, "failed files run again"),
        WatchChangeStatus::Dropped => line!(info, "files taken as done"),
        WatchChangeStatus::Accepted => line!(info, "watch accepted as it is"),
        WatchChangeStatus::Waiting => line!(warn, "watch waits for its root"),
        WatchChangeStatus::Degraded => line!(warn, "watch degraded"),
        WatchChangeStatus::Held => line!(error, "watch held until a person decides"),
    }
}
