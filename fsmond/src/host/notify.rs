//! Tells the service manager how the daemon is, by the protocol of `sd_notify(3)`. Where nobody asks to be told
//! (`NOTIFY_SOCKET` is not set) nothing happens. Never fails the daemon: the manager has limits of its own.

use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::clock;

/// The daemon does its work.
pub fn ready() {
    tell("READY=1");
}

/// The daemon reads its config again; [`ready`] has to follow.
pub fn reloading() {
    // systemd compares this with its own CLOCK_MONOTONIC, so the clock of the core, which goes on in suspend, is wrong.
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock::monotonic_micros()));
}

/// The daemon stops.
pub fn stopping() {
    tell("STOPPING=1");
}

fn tell(message: &str) {
    if let Some(address) = std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty())
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
