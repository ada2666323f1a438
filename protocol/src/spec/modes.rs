//! Which options of a watch go together: with its schedule, and with what one run of its command is for.

use super::{Mode, OnSchedule, Options, Rules};
use crate::error::ApiError;

/// The largest batch that can be asked for: its paths are kept in memory while it runs.
const LARGEST_BATCH: u32 = 100_000;
/// The most lines that a worker can have at a time.
const MOST_IN_FLIGHT: u32 = 10_000;
/// The most workers of one watch.
const MOST_WORKERS: u32 = 1_000;

impl Options {
    /// Refuses what was given for a watch and makes no sense with the mode that it has.
    pub fn check_mode(&self, mode: Mode) -> Result<(), ApiError> {
        let batch = "it is for --mode batch";
        let worker = "it is for --mode worker";
        let files = match mode {
            Mode::Each => None,
            Mode::Batch => {
                Some("a batch gets its files where {paths} stands, or as JSON lines on stdin where it does not")
            }
            Mode::Worker => Some("a worker gets each file as a JSON line on stdin"),
        };
        let (batches, works) = (mode != Mode::Batch, mode != Mode::Worker);
        let all = (mode == Mode::Batch).then_some("a batch takes all files that are ready");
        let odd = [
            ("order", self.order.is_some(), all),
            ("key", self.key.is_some(), all),
            ("batch-max", self.batch_max.is_some() && batches, Some(batch)),
            ("batch-wait", self.batch_wait.is_some() && batches, Some(batch)),
            ("in-flight", self.in_flight.is_some() && works, Some(worker)),
            ("stdin", self.stdin.is_some(), files),
            ("append-path", self.append_path.is_some(), files),
        ];
        match odd.into_iter().find_map(|(option, given, why)| Some((option, why.filter(|_| given)?))) {
            None => Ok(()),
            Some((option, why)) => {
                let message = format!("{option} makes no sense with mode {}", mode.as_str());
                Err(ApiError::usage(message).hint(format!("{why}; leave it out, or --unset {option}")))
            }
        }
    }
}

impl Rules {
    /// What no mode can have.
    pub(super) fn check_mode(&self) -> Result<(), ApiError> {
        if !(1..=LARGEST_BATCH).contains(&self.batch_max) {
            let message = format!("batch-max {} is not from 1 to {LARGEST_BATCH}", self.batch_max);
            return Err(ApiError::usage(message).hint("give a number like 1000"));
        }
        if !(1..=MOST_IN_FLIGHT).contains(&self.in_flight) {
            let message = format!("in-flight {} is not from 1 to {MOST_IN_FLIGHT}", self.in_flight);
            return Err(ApiError::usage(message).hint("give a number like 16"));
        }
        if self.mode == Mode::Worker && self.concurrency > MOST_WORKERS {
            let message = format!("concurrency {} is more than {MOST_WORKERS} workers", self.concurrency);
            return Err(ApiError::usage(message)
                .hint("each is a process that stays; a few more than there are CPUs are enough"));
        }
        if self.mode != Mode::Each && self.on_schedule == OnSchedule::Once {
            let message = format!("on-schedule once and mode {} are both given", self.mode.as_str());
            return Err(ApiError::usage(message)
                .hint("with once the command runs on schedule only, for all that changed; leave one of the two out"));
        }
        Ok(())
    }
}
