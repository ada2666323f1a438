//! Panics in the log: message, place and backtrace, each line of it a record. The program goes on or ends as it would
//! without: a panic ends only the task or thread it happened in.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};
use std::thread;
use std::time::Duration;

use super::LogHandle;

/// How long a panicking thread waits for its own record to be written: if it is the main one, the process ends next.
const WRITE_OUT: Duration = Duration::from_secs(1);

/// Logs every panic of the process from now on.
pub fn log_them(log: LogHandle) {
    panic::set_hook(Box::new(move |info| {
        record(info);
        log.flush(WRITE_OUT);
    }));
}

fn record(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)");
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let thread = thread::current();
    let thread = thread.name().unwrap_or("without a name");
    tracing::error!(target: "fsmond::panic", thread, place, "a bug: fsmond panicked: {message}");
    for frame in Backtrace::force_capture().to_string().lines() {
        tracing::error!(target: "fsmond::panic", "  {}", frame.trim_end());
    }
}
