//! fsmonctl: steers fsmond while it runs.
//!
//! This file only joins the parts: arguments in, one verb run, one exit code out. What a verb does is in
//! `commands/<verb>.rs`; how things look is in `output/`; how the daemon is reached is in `client.rs`.

mod args;
mod client;
mod commands;
mod failure;
mod interrupt;
mod output;

use std::process::ExitCode;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Out;

fn main() -> ExitCode {
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(code) => return ExitCode::from(code),
    };
    let out = Out::new(&cli.global);
    match run(cli, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(out.failure(&failure)),
    }
}

/// Runs the verb on a runtime of this one thread: nothing here needs more.
fn run(cli: Cli, out: &Out) -> Result<(), Failure> {
    interrupt::watch();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::bug(format!("the async runtime does not start: {e}")))?;
    runtime.block_on(commands::run(cli, out))
}
