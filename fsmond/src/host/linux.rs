//! What is asked of Linux in its own way: clocks, and what kind of file system something is on.

use std::os::fd::AsFd;

use rustix::time::ClockId;

/// Goes on in suspend and is never set.
pub const MONO: ClockId = ClockId::Boottime;

/// The clock that file systems stamp files with: the wall clock as of the last tick.
pub const COARSE: ClockId = ClockId::RealtimeCoarse;

/// File systems on which a lock or a shared-memory file may mean nothing to another machine, by the magic numbers of
/// `statfs(2)` and the kernel's `magic.h`.
const NETWORK: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0bd0_0bd0, "Lustre"),
    (0x7461_636f, "OCFS2"),
    (0x0116_1970, "GFS2"),
    (0x786f_4256, "VirtualBox shared folder"),
    (0x564c, "NCP"),
];

/// The name of the network file system that `file` is on; none where it is a local one.
pub fn network_file_system(file: impl AsFd) -> rustix::io::Result<Option<&'static str>> {
    let facts = rustix::fs::fstatfs(file)?;
    // The field's type differs between architectures; magic numbers have 32 bits.
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "32 bits are what is compared")]
    let magic = u64::from(facts.f_type as u32);
    Ok(network_name(magic))
}

fn network_name(magic: u64) -> Option<&'static str> {
    NETWORK.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_and_local_ones_are_not() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xff53_4d42), Some("CIFS"), "its magic has the highest of 32 bits");
        for local in [0xef53, 0x0102_1994, 0x5846_5342, 0x9123_683e, 0x794c_7630] {
            assert_eq!(network_name(local), None, "{local:x}");
        }
        let here = std::fs::File::open("/proc").unwrap();
        assert_eq!(network_file_system(&here).unwrap(), None);
    }
}
