//! Once, before the first command: what the daemon itself was started with must not reach its commands.
//!
//! Descriptors that were inherited and are not closed on exec would stay open in every command (a socket, a lock, the
//! far end of somebody's pipe), and signals that were ignored stay ignored in every program that is started. All that
//! the daemon opens by itself is closed on exec from the beginning, and its own handlers end with exec by themselves.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// The daemon's stdin, stdout and stderr: every command gets its own in their place.
const STANDARD: i32 = 2;

/// Marks every descriptor beyond the standard ones to be closed on exec.
pub(super) fn close_descriptors_on_exec() -> io::Result<()> {
    let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    for entry in std::fs::read_dir(folder)? {
        if let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok())
            && number > STANDARD
        {
            mark(number);
        }
    }
    Ok(())
}

/// Sets one descriptor's close-on-exec flag. One that was closed meanwhile is no error.
#[allow(unsafe_code, reason = "no safe interface takes the number of a descriptor that was inherited")]
fn mark(number: i32) {
    // SAFETY: The borrow lasts for one system call that changes one flag and uses nothing behind the descriptor. If
    // another thread closed the number, the call fails with EBADF; if it already stands for something newer, that is
    // ours and has the flag set already.
    let descriptor = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    if let Ok(flags) = rustix::io::fcntl_getfd(descriptor) {
        let _ = rustix::io::fcntl_setfd(descriptor, flags | rustix::io::FdFlags::CLOEXEC);
    }
}

/// Puts a handler that does nothing where a signal is ignored. For the daemon that is the same, and for a command
/// exec turns it into the default. SIGPIPE is left to the standard library, which resets it for every child.
pub(super) fn unignore_signals() {
    for number in ignored_signals() {
        if number != SignalKind::pipe().as_raw_value() {
            // Signals whose handling the system reserves are refused here and cannot be ignored anyway.
            let _ = signal(SignalKind::from_raw(number));
        }
    }
}

/// The numbers of the signals that this process ignores, where the system tells.
#[cfg(target_os = "linux")]
fn ignored_signals() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    // Beyond 31 are the real-time signals, of which the C library keeps some for itself.
    (1..=31).filter(|number| mask & (1 << (number - 1)) != 0).collect()
}

/// The numbers of the signals that this process ignores: elsewhere nothing tells without unsafe code.
#[cfg(not(target_os = "linux"))]
fn ignored_signals() -> Vec<i32> {
    Vec::new()
}
