//! Fingerprints as small numbers, and the key that every attempt at the same version of a file shares.

use fsmon_protocol::event::EventKind;
use fsmon_protocol::fingerprint::{FileType, Fingerprint};
use fsmon_protocol::spec::Rules;

use crate::io::{Stat, WatchId};

/// 128-bit FNV-1a: stable for ever, so that a key means the same after an upgrade. Not meant against attackers: who
/// can choose names and times of a watched file gains nothing by a collision but a confusing id of their own file.
struct Fnv(u128);

impl Fnv {
    const fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn add(mut self, bytes: &[u8]) -> Self {
        for &byte in bytes {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
        self
    }
}

/// Mixes whole words quickly; only ever compared within one process.
fn mix(words: [u64; 3]) -> u64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
    for word in words {
        hash = (hash ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 32;
    }
    hash.max(1)
}

/// What tells one version of a file from another: inode, size and mtime. For a folder only its inode, since every
/// new entry changes its times. Never 0, which stands for unknown.
pub fn ident(file_type: FileType, fingerprint: &Fingerprint) -> u64 {
    if file_type == FileType::Dir {
        return dir_ident(fingerprint.inode);
    }
    mix([fingerprint.inode, fingerprint.size, fingerprint.mtime.cast_unsigned()])
}

/// The [`ident`] of a folder. Where inodes are not stable they are all 0, and all folders alike.
pub fn dir_ident(inode: u64) -> u64 {
    inode.max(1)
}

/// The [`ident`] of what a look saw.
pub fn ident_of(stat: &Stat) -> u64 {
    ident(stat.file_type, &stat.fingerprint)
}

/// The layer of mounts that a folder shows: a hash of its inode and of whether something is mounted there. Stored, so it
/// must stay what it is.
pub fn layer(ident: u64, mount_point: bool) -> u32 {
    ctime_hash(ident.cast_signed()) ^ u32::from(mount_point)
}

/// A ctime in four bytes. Two of one file are alike by chance once in four thousand million.
pub fn ctime_hash(ctime: i64) -> u32 {
    let [low, high] = [ctime.cast_unsigned() & 0xffff_ffff, ctime.cast_unsigned() >> 32];
    u32::try_from(low ^ high.wrapping_mul(0x85eb_ca6b) & 0xffff_ffff).unwrap_or_default()
}

/// `FSMON_BATCH_ID`: the same for every attempt at the same versions of the same files, each of which has its event id.
pub fn batch_id<'a>(events: impl Iterator<Item = &'a str>) -> String {
    format!("{:032x}", events.fold(Fnv::new(), |hash, event| hash.add(event.as_bytes())).0)
}

/// `FSMON_EVENT_ID`: the same for every attempt at the same version of the same file. `sweep` is the number of the
/// sweep or manual request, 0 for changes.
pub fn event_id(watch: WatchId, rel: &[u8], kind: EventKind, seen: Option<&Fingerprint>, sweep: u64) -> String {
    let mut hash = Fnv::new().add(&watch.0.to_le_bytes()).add(kind.as_str().as_bytes()).add(&sweep.to_le_bytes());
    if let Some(f) = seen {
        hash = hash.add(&f.inode.to_le_bytes()).add(&f.size.to_le_bytes());
        hash = hash.add(&f.mtime.to_le_bytes()).add(&f.ctime.to_le_bytes());
    }
    format!("{:032x}", hash.add(rel).0)
}

/// Tells apart what was processed by one command and by another, and how that is told. Stored within digests.
pub fn seal(rules: &Rules) -> [u8; 16] {
    let words = [rules.dedupe.as_str(), rules.mode.as_str(), rules.stdin.as_str()];
    let optional = [rules.cwd.as_deref(), rules.run_as.as_deref()].map(Option::unwrap_or_default);
    let texts = words.into_iter().chain(optional);
    let texts = texts.chain(rules.command.iter().chain(&rules.env).map(String::as_str));
    let hash = texts.fold(Fnv::new(), |hash, text| hash.add(&(text.len() as u64).to_le_bytes()).add(text.as_bytes()));
    hash.add(&[u8::from(rules.append_path)]).0.to_le_bytes()
}
