//! Ctrl-C ends fsmonctl at once with exit code 130, also while it is stuck in a write to a reader that does not read.
//!
//! It must never wait for anything of the verb that runs: that is why it has a thread of its own. Nothing is lost by
//! it, since a verb's effect is the daemon's, and was asked for in one message.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::progress;

/// The exit code that shells give for a program ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Takes Ctrl-C from now on. Where that is not possible, the signal keeps its default action and ends the process just
/// as well.
pub fn watch() {
    let Ok((runtime, mut interrupts)) = register() else { return };
    let waiter = std::thread::Builder::new().name("ctrl-c".into());
    let started = waiter.spawn(move || {
        if runtime.block_on(interrupts.recv()).is_some() {
            progress::leave_line();
            std::process::exit(INTERRUPTED);
        }
    });
    if let Err(error) = started {
        // The signal is taken already, and nobody would act on it.
        eprintln!("warning: Ctrl-C will not end this: no thread for it: {error}");
    }
}

/// Registers for the signal here, before any other thread runs, so that there is no moment without.
fn register() -> io::Result<(Runtime, Signal)> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let interrupts = {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    Ok((runtime, interrupts))
}
