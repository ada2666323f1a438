//! What of a watch's options goes with what one run of its command is for.

use super::{Mode, OnSchedule, Options, Rules};
use crate::error::ApiError;

/// The largest batch that can be asked for: its paths are kept in memory while it runs.
const LARGEST_BATCH: u32 = 100_000;

impl Options {
    /// Refuses what was given for a watch and makes no sense with the mode that it has.
    pub fn check_mode(&self, mode: Mode) -> Result<(), ApiError> {
        let batches = [("batch-max", self.batch_max.is_some()), ("batch-wait", self.batch_wait.is_some())];
        let files = [("stdin", self.stdin.is_some()), ("append-path", self.append_path.is_some())];
        let odd = |options: &[(&'static str, bool)]| options.iter().find(|(_, given)| *given).map(|&(name, _)| name);
        let refuse = |option: &str, why: &str| {
            let message = format!("{option} makes no sense with mode {}", mode.as_str());
            Err(ApiError::usage(message).hint(format!("{why}; leave it out, or --unset {option}")))
        };
        match mode {
            Mode::Each => odd(&batches).map_or(Ok(()), |option| refuse(option, "it is for --mode batch")),
            Mode::Batch => odd(&files).map_or(Ok(()), |option| {
                refuse(
                    option,
                    "a batch gets its files where {paths} stands, or as JSON lines on stdin where it does not",
                )
            }),
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
        if self.mode != Mode::Each && self.on_schedule == OnSchedule::Once {
            let message = format!("on-schedule once and mode {} are both given", self.mode.as_str());
            return Err(ApiError::usage(message)
                .hint("with once the command runs on schedule only, for all that changed; leave one of the two out"));
        }
        Ok(())
    }
}
