//! A command for a watch that leaves a record of every run: what it was called with, and what the file held.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::tail::is_mark;

/// A script, and the log it appends to.
#[derive(Debug, Clone)]
pub struct Job {
    script: PathBuf,
    log: PathBuf,
}

/// What one run of it left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    /// `FSMON_EVENT_ID`.
    pub id: String,
    /// `FSMON_TRIGGER`.
    pub trigger: String,
    /// `FSMON_EVENT`.
    pub event: String,
    /// `FSMON_ATTEMPT`.
    pub attempt: u32,
    /// The number of the run, `FSMON_RUN`.
    pub run: String,
    /// `FSMON_PATH`, exactly.
    pub path: PathBuf,
    /// The last argument, exactly.
    pub argument: PathBuf,
    /// What the file held: as `cksum` tells it, empty if it was gone.
    pub sum: String,
}

/// Fields of a record, each ended by a NUL: the only byte that no path holds.
const FIELDS: usize = 8;

impl Job {
    /// A job in `folder` that logs, and does nothing else.
    pub fn logging(folder: &Path) -> Self {
        Self::script(folder, "")
    }

    /// A job in `folder` that does `body` (in `sh`, with the path in `$1`), and logs if that ends with 0. The record
    /// is on disk when the job ends.
    pub fn script(folder: &Path, body: &str) -> Self {
        fs::create_dir_all(folder).expect("a folder for the job");
        let (script, log) = (folder.join("job.sh"), folder.join("job.log"));
        let text = format!(
            r#"#!/bin/sh
set -e
for last in "$@"; do :; done
set -- "$last"
{body}
sum=$(cksum 2>/dev/null < "$1") || sum=
printf '%s\0' "$FSMON_EVENT_ID" "$FSMON_TRIGGER" "$FSMON_EVENT" "$FSMON_ATTEMPT" "$FSMON_RUN" "$FSMON_PATH" "$1" "$sum" |
    dd bs=64k iflag=fullblock oflag=append conv=notrunc,fsync status=none of='{log}'
"#,
            log = log.display()
        );
        fs::write(&script, text).expect("the job's script");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it can be made executable");
        if !log.exists() {
            fs::write(&log, "").expect("the job's log");
        }
        Self { script, log }
    }

    /// Its path, for `add … -- PATH`.
    pub fn command(&self) -> String {
        self.script.to_str().expect("a path of our own").to_owned()
    }

    /// Every run so far, in order; but for files that only mark a point in the sequence of events.
    pub fn runs(&self) -> Vec<JobRun> {
        let bytes = fs::read(&self.log).expect("the job's log");
        let mut fields: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        fields.pop();
        let runs = fields.chunks_exact(FIELDS).map(JobRun::from_fields);
        runs.filter(|run| !is_mark(&run.path)).collect()
    }

    /// The runs for one path.
    pub fn runs_of(&self, path: &Path) -> Vec<JobRun> {
        self.runs().into_iter().filter(|run| run.path == path).collect()
    }

    /// Whether the last run for `path` saw what is in it now.
    pub fn is_done(&self, path: &Path) -> bool {
        self.runs_of(path).last().is_some_and(|run| run.sum == sum_of(path))
    }
}

impl JobRun {
    fn from_fields(fields: &[Vec<u8>]) -> Self {
        let text = |n: usize| String::from_utf8(fields[n].clone()).expect("text");
        let path = |n: usize| PathBuf::from(OsString::from_vec(fields[n].clone()));
        Self {
            id: text(0),
            trigger: text(1),
            event: text(2),
            attempt: text(3).parse().unwrap_or_default(),
            run: text(4),
            path: path(5),
            argument: path(6),
            sum: text(7),
        }
    }
}

/// What `cksum` says of a file's content.
pub fn sum_of(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    format!("{} {}", cksum(&bytes), bytes.len())
}

/// The checksum of POSIX `cksum`: a CRC over the content and then over its length, least byte first.
fn cksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: u8| {
        let mut crc = crc ^ (u32::from(byte) << 24);
        for _ in 0..8 {
            crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04c1_1db7 };
        }
        crc
    };
    let mut crc = bytes.iter().fold(0, |crc, byte| step(crc, *byte));
    let mut length = bytes.len();
    while length != 0 {
        crc = step(crc, u8::try_from(length & 0xff).expect("a byte"));
        length >>= 8;
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_cksum() {
        assert_eq!(cksum(b""), 4_294_967_295);
        assert_eq!(cksum(b"123456789"), 930_766_865);
    }

    #[test]
    fn a_job_records_hostile_names_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let job = Job::logging(&folder.path().join("job"));
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        for (what, name) in crate::names::hostile() {
            let path = data.join(name);
            fs::write(&path, what).unwrap();
            let mut command = std::process::Command::new(job.command());
            command.env("FSMON_EVENT_ID", "id").env("FSMON_ATTEMPT", "2").env("FSMON_PATH", &path).arg(&path);
            crate::Ran::command(&mut command).ok();
            let runs = job.runs_of(&path);
            assert_eq!((runs.len(), runs[0].attempt, &runs[0].argument), (1, 2, &path), "{what}");
            assert!(job.is_done(&path), "{what}");
        }
        assert_eq!(job.runs().len(), crate::names::hostile().len());
    }
}
