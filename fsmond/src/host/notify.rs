//! Tells the service manager how the daemon is, by the protocol of `sd_notify(3)`. Where nobody asks to be told
//! (`NOTIFY_SOCKET` is not set) nothing happens. Never fails the daemon: the manager has limits of its own.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use super::clock;

const SOCKET: &str = "NOTIFY_SOCKET";

/// Whether a service manager wants to be told.
pub fn wanted() -> bool {
    address().is_some()
}

/// How long the manager waits for a sign of life before it ends the daemon, where it waits for one of this process.
pub fn watchdog() -> Option<Duration> {
    let var = |name| std::env::var(name).ok();
    watchdog_of(var("WATCHDOG_USEC").as_deref(), var("WATCHDOG_PID").as_deref(), std::process::id())
}

fn watchdog_of(micros: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let meant = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let micros = micros?.parse().ok().filter(|micros| *micros > 0 && meant)?;
    Some(Duration::from_micros(micros))
}

/// The daemon does its work.
pub fn ready() {
    tell("READY=1");
}

/// The daemon reads its config again; [`ready`] has to follow.
pub fn reloading() {
    // systemd compares this with its own CLOCK_MONOTONIC, so the clock of the core, which goes on in suspend, is wrong.
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock::monotonic_micros()));
}

/// The daemon is alive, and this is how it goes.
pub fn alive(status: &str) {
    tell(&format!("WATCHDOG=1\nSTATUS={}", one_line(status)));
}

/// The daemon cannot start or go on, and why.
pub fn failed(why: &str) {
    tell(&format!("STATUS={}", one_line(why)));
}

/// The daemon stops.
pub fn stopping() {
    tell("STOPPING=1\nSTATUS=stopping");
}

/// The stop may take so long from now on: commands have the grace of their watch.
pub fn stop_takes(longest: Duration) {
    tell(&format!("EXTEND_TIMEOUT_USEC={}", longest.as_micros()));
}

/// A line break would begin another assignment.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], "; ")
}

fn address() -> Option<OsString> {
    std::env::var_os(SOCKET).filter(|address| !address.is_empty())
}

fn tell(message: &str) {
    if let Some(address) = address()
        && let Err(e) = send(&address, message)
    {
        tracing::debug!(error = &e as &(dyn std::error::Error + 'static), "the service manager could not be told");
    }
}

/// One datagram to a path, or to an abstract name, which is written with `@` before it.
fn send(address: &OsStr, message: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold us up.
    socket.set_nonblocking(true)?;
    match address.as_encoded_bytes() {
        [b'@', name @ ..] => send_abstract(&socket, name, message)?,
        _ => socket.send_to(message.as_bytes(), Path::new(address))?,
    };
    Ok(())
}

#[cfg(target_os = "linux")]
fn send_abstract(socket: &UnixDatagram, name: &[u8], message: &str) -> io::Result<usize> {
    use std::os::linux::net::SocketAddrExt;
    socket.send_to_addr(message.as_bytes(), &std::os::unix::net::SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn send_abstract(_: &UnixDatagram, _: &[u8], _: &str) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_is_told_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), "READY=1").unwrap();
        let mut buffer = [0; 64];
        let n = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..n], b"READY=1");
        drop(manager);
        send(path.as_os_str(), "READY=1").unwrap_err();
    }

    #[test]
    fn a_sign_of_life_is_owed_only_where_it_is_asked_of_this_process() {
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(watchdog_of(Some("60000000"), None, 7), seconds(60));
        assert_eq!(watchdog_of(Some("60000000"), Some("7"), 7), seconds(60));
        assert_eq!(watchdog_of(Some("60000000"), Some("8"), 7), None);
        for none in [None, Some(""), Some("0"), Some("-1"), Some("often")] {
            assert_eq!(watchdog_of(none, None, 7), None, "{none:?}");
        }
    }

    #[test]
    fn what_is_told_makes_no_second_assignment() {
        assert_eq!(one_line("bad\nREADY=1\r"), "bad; READY=1; ");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_manager_is_told_at_an_abstract_name() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("fsmond-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&format!("@{name}")), "STOPPING=1").unwrap();
        let mut buffer = [0; 64];
        assert_eq!(manager.recv(&mut buffer).unwrap(), 10);
    }
}
