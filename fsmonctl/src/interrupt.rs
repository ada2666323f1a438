//! Ctrl-C ends fsmonctl at once with exit code 130, also while it is stuck in a write to a reader that does not read.
//!
//! It must never wait for anything of the verb that runs: that is why it has a thread of its own. Nothing is lost by
//! it, since a verb's effect is the daemon's, and was asked for in one message.

use crate::output::progress;

/// The exit code that shells give for a program ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Starts the thread that waits for Ctrl-C. Where that is not possible, the signal ends the process by itself.
pub fn watch() {
    let waiter = std::thread::Builder::new().name("ctrl-c".into());
    // Without the thread SIGINT keeps its default action, which ends the process just as well.
    let _ = waiter.spawn(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            progress::leave_line();
            std::process::exit(INTERRUPTED);
        }
    });
}
