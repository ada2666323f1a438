//! The sibling of `linux` for macOS and FreeBSD.

use std::os::fd::AsFd;

use rustix::time::ClockId;

/// Never set. On macOS it goes on in suspend, on FreeBSD it may not.
pub const MONO: ClockId = ClockId::Monotonic;

/// No coarser wall clock is known here.
pub const COARSE: ClockId = ClockId::Realtime;

/// `MNT_LOCAL` of `sys/mount.h`, the same number on macOS and FreeBSD.
const MNT_LOCAL: Flags = 0x1000;
#[cfg(target_os = "macos")]
type Flags = u32;
#[cfg(not(target_os = "macos"))]
type Flags = u64;

/// The name of the network file system that `file` is on; none where it is a local one.
pub fn network_file_system(file: impl AsFd) -> rustix::io::Result<Option<&'static str>> {
    let facts = rustix::fs::fstatfs(file)?;
    let local = facts.f_flags & MNT_LOCAL != 0;
    Ok((!local).then_some("network"))
}
