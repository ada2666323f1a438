//! Who is at the other end of a connection: user and groups, as the kernel knows them. Never what somebody says of
//! himself, and not to know it never reads as more than nobody.

use std::io;

use tokio::net::UnixStream;
use tracing::warn;

/// Somebody at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The user.
    pub uid: u32,
    /// Every group that user was in when the connection was made.
    pub groups: Vec<u32>,
}

impl Peer {
    /// Who it is; none where it cannot be told. Groups that cannot be told are none.
    pub fn of(stream: &UnixStream) -> Option<Self> {
        let credentials = match stream.peer_cred() {
            Ok(credentials) => credentials,
            Err(error) => {
                warn!(target: "fsmond::rpc", %error, "can't tell who connects: refused");
                return None;
            }
        };
        let uid = credentials.uid();
        let groups = groups(stream, uid, credentials.gid()).unwrap_or_else(|error| {
            warn!(target: "fsmond::rpc", uid, %error, "can't tell the groups of who connects: none count");
            Vec::new()
        });
        Some(Self { uid, groups })
    }
}

/// `SO_PEERGROUPS`: the groups of the process as it was when it connected. It leaves out the effective one.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "no safe interface has SO_PEERGROUPS")]
fn groups(stream: &UnixStream, _uid: u32, gid: u32) -> io::Result<Vec<u32>> {
    use nix::libc::{self, c_void, socklen_t};
    use std::os::fd::AsRawFd;

    let mut groups = vec![0_u32; 32];
    loop {
        let mut bytes = socklen_t::try_from(size_of_val(groups.as_slice())).map_err(io::Error::other)?;
        // SAFETY: the descriptor is that of a stream that lives through the call; the buffer is writable for `bytes`
        // bytes, and the kernel writes no more than that and tells how many in `bytes`.
        let failed = unsafe {
            let buffer = groups.as_mut_ptr().cast::<c_void>();
            libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERGROUPS, buffer, &raw mut bytes)
        };
        let count = bytes as usize / size_of::<u32>();
        if failed == 0 {
            groups.truncate(count);
            groups.push(gid);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // Too small: the kernel has told the size that is needed. That of a live process can't change any more.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

/// Elsewhere nothing tells the groups of the process itself; those that the user database gives its user count.
#[cfg(all(not(target_os = "linux"), not(target_vendor = "apple")))]
fn groups(_stream: &UnixStream, uid: u32, gid: u32) -> io::Result<Vec<u32>> {
    use nix::unistd::{Gid, Uid, User, getgrouplist};

    let Some(user) = User::from_uid(Uid::from_raw(uid))? else { return Ok(vec![gid]) };
    let name = std::ffi::CString::new(user.name)?;
    Ok(getgrouplist(&name, Gid::from_raw(gid))?.into_iter().map(Gid::as_raw).collect())
}

/// On macOS only the effective group is told.
#[cfg(target_vendor = "apple")]
#[allow(clippy::unnecessary_wraps, reason = "it has the shape that it has elsewhere")]
fn groups(_stream: &UnixStream, _uid: u32, gid: u32) -> io::Result<Vec<u32>> {
    Ok(vec![gid])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_other_end_is_known_with_all_its_groups() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&one).unwrap();
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        let mut own = vec![rustix::process::getegid().as_raw()];
        if cfg!(target_os = "linux") {
            own.extend(rustix::process::getgroups().unwrap().into_iter().map(rustix::process::Gid::as_raw));
        }
        for group in own {
            assert!(peer.groups.contains(&group), "{group} in {peer:?}");
        }
    }
}
