//! The socket that the service manager hands over, as `sd_listen_fds(3)` defines it: descriptor 3.
//!
//! It is never made, changed or removed here.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use fsmon_protocol::rpc::places::SYSTEM_SOCKET;

use super::failure::Failure;

/// `SD_LISTEN_FDS_START`.
const FIRST: i32 = 3;

/// A socket that was handed over.
pub struct Given {
    listener: UnixListener,
    path: PathBuf,
}

/// Takes it. To be called once, and only if `LISTEN_PID` names this process.
#[allow(unsafe_code, reason = "a descriptor that was inherited is only known by its number")]
pub fn take() -> Result<Given, Failure> {
    // SAFETY: the service manager says that the number is open and ours (LISTEN_PID and LISTEN_FDS were checked); it is
    // called once, before anything else in this process could have opened or taken that number.
    let listener = UnixListener::from(unsafe { OwnedFd::from_raw_fd(FIRST) });
    let bad = |e: std::io::Error| Failure::because("the socket from the service manager can't be used", &e);
    let address = listener.local_addr().map_err(bad)?;
    listener.set_nonblocking(true).map_err(bad)?;
    let path = address.as_pathname().map_or_else(|| PathBuf::from(SYSTEM_SOCKET), Path::to_path_buf);
    Ok(Given { listener, path })
}

impl Given {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The socket itself.
    pub fn into_listener(self) -> UnixListener {
        self.listener
    }
}
