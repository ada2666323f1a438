//! The daemon: joins the core, the engine, the edges and the server, in the order of a start and of a stop.
//!
//! Reading order: this file (from the command line to the end), `setup` (everything before the first thread),
//! `restore` (from the store to the machine), `daemon` (running, and the stop), `control` and `reload` (what is asked
//! meanwhile), `printer` (what `--watch` shows). Nothing here decides anything about a file.

mod activation;
mod blame;
mod control;
mod daemon;
mod define;
mod doctor;
mod failure;
mod heartbeat;
mod printer;
mod reload;
mod restore;
mod roles;
mod setup;
mod stop;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tracing::{debug, error, warn};

use crate::args::Args;
use crate::engine::queues;
use crate::host::chain::chain;
use crate::host::daemonize::{Readiness, Side, daemonize, foreground};
use crate::host::identity::become_user;
use crate::host::log::{self, LogHandle, OnOpen};
use crate::host::memory;
use crate::host::notify;
use crate::host::signals::{Signals, undo_inherited};
use crate::runner::keep_number;
use crate::watch::OwnFiles;
use failure::Failure;
pub use setup::check_rules;
use setup::{Asked, Setup};

/// Threads of the runtime: the engine is one task, beside it there are connections and commands to wait for.
const WORKERS: std::ops::RangeInclusive<usize> = 2..=4;
/// How long the end waits for what still blocks a thread.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// How long the end waits for a slow disk or terminal to take the last log lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The whole program. Gives the code to end with: 0, 1 (failed), 2 (usage), 78 (bad config).
pub fn main() -> ExitCode {
    undo_inherited();
    keep_number();
    memory::give_back_at_once();
    let args = Args::parse();
    if let Some(Err(error)) = args.user.as_deref().map(become_user) {
        return Failure::of(error).said_on_stderr();
    }
    let setup = match setup::prepare(args) {
        Ok(Asked::Nothing) => return ExitCode::SUCCESS,
        Ok(Asked::Daemon(setup)) => setup,
        Err(failure) => return failure.said_on_stderr(),
    };
    let side = if setup.args.stays() { Ok(Side::Child(foreground())) } else { daemonize(&setup.log_file) };
    match side {
        Ok(Side::Parent(code)) => ExitCode::from(code),
        Ok(Side::Child(readiness)) => ExitCode::from(child(*setup, readiness)),
        Err(error) => Failure::new(chain(&error)).said_on_stderr(),
    }
}

/// The daemon itself, in the foreground or background. Gives the code to end with.
fn child(setup: Setup, readiness: Readiness) -> u8 {
    let own = OwnFiles::default();
    let log = match start_log(&setup, &own) {
        Ok(log) => log,
        Err(failure) => return tell(&failure, readiness),
    };
    let result = run(setup, &log, own, readiness);
    let code = match result {
        Ok(code) => code,
        Err((failure, readiness)) => {
            error!("fsmond cannot start: {}", failure.text);
            tell(&failure, readiness)
        }
    };
    log.flush(LAST_LINES);
    code
}

fn tell(failure: &Failure, readiness: Readiness) -> u8 {
    notify::failed(&failure.text);
    readiness.failed(&failure.text, failure.code);
    failure.code
}

fn start_log(setup: &Setup, own: &OwnFiles) -> Result<LogHandle, Failure> {
    setup.sign_locks()?;
    let registry = own.clone();
    let on_open: OnOpen = Box::new(move |path: &Path| {
        // What can't be looked at was just opened: it is gone again, and nothing of it is seen.
        let _ = registry.register(path);
    });
    log::start_with(&setup.log_settings(), Some(on_open)).map_err(Failure::of)
}

/// From the log to the end. A failure before the daemon is ready comes back with whoever has to be told.
fn run(setup: Setup, log: &LogHandle, own: OwnFiles, readiness: Readiness) -> Result<u8, (Failure, Readiness)> {
    match crate::host::limits::raise_open_files() {
        Ok(files) => debug!(before = files.before, now = files.now, "limit on open files"),
        Err(error) => warn!(%error, "the limit on open files can't be raised"),
    }
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let workers = workers.clamp(*WORKERS.start(), *WORKERS.end());
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = match built {
        Ok(runtime) => runtime,
        Err(error) => return Err((Failure::because("can't start the runtime", &error), readiness)),
    };
    let result = runtime.block_on(async {
        let signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => return Err((Failure::because("can't listen to signals", &error), readiness)),
        };
        let (inbox, results, hints, intake) = queues();
        let restored = match restore::restore(&setup, inbox.clone()) {
            Ok(restored) => restored,
            Err(failure) => return Err((failure, readiness)),
        };
        let doors = daemon::Doors { inbox, results, hints, intake, own, log: log.clone(), signals };
        match daemon::Daemon::start(setup, restored, doors).await {
            Ok(daemon) => {
                readiness.ready();
                notify::ready();
                let heartbeat = heartbeat::start(daemon.engine());
                let code = daemon.run().await;
                drop(heartbeat);
                Ok(code)
            }
            Err(failure) => Err((failure, readiness)),
        }
    });
    runtime.shutdown_timeout(LAST_WAIT);
    if let Ok(code) = &result {
        debug!(code, "fsmond has ended");
    }
    result
}
