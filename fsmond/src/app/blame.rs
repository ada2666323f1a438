//! Why a command failed, where what the unit (or a container, or a limit) forbids is to blame: read from how it ended
//! and from what it printed, which is told by nobody else. Decides nothing, and where it can't tell it says nothing.

use std::path::{Path, PathBuf};

use fsmon_protocol::RawPath;
use fsmon_protocol::run::Outcome;

use crate::host::bounds::Bounds;

/// What is to blame, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Blame {
    /// What stands in the way.
    pub why: String,
    /// The line that it printed about it, if it did.
    pub line: Option<String>,
    /// What to do.
    pub cure: String,
    /// Whether nothing else can be the cause.
    pub sure: bool,
}

/// Who is to blame for a run that ended like this and printed this.
pub fn blame(outcome: &Outcome, said: &[u8], bounds: &Bounds) -> Option<Blame> {
    if let Outcome::NotStarted(why) = outcome {
        return of_line(why, bounds);
    }
    let said = String::from_utf8_lossy(said);
    // What ended it was said last.
    let told = said.lines().rev().find_map(|line| of_line(line, bounds));
    told.or_else(|| of_signal(outcome, bounds))
}

/// By a signal that only a limit sends. A shell tells its child's as an exit code from 128 on.
fn of_signal(outcome: &Outcome, bounds: &Bounds) -> Option<Blame> {
    let signal = match outcome {
        Outcome::Signalled(signal) => *signal,
        Outcome::Exited(code) if *code > 128 => code - 128,
        _ => return None,
    };
    let sure = |why: &str, cure: &str| Some(Blame { why: why.into(), line: None, cure: cure.into(), sure: true });
    match signal {
        libc::SIGSYS if bounds.filtered => sure(FORBIDDEN_CALL.0, FORBIDDEN_CALL.1),
        libc::SIGXFSZ => sure("a file of it became larger than files may here (SIGXFSZ)", "LimitFSIZE="),
        libc::SIGXCPU => sure("it used up the CPU time that it may have (SIGXCPU)", "LimitCPU="),
        libc::SIGKILL => Some(Blame {
            why: "the system ended it (SIGKILL), as it does when memory runs out".into(),
            line: None,
            cure: "MemoryMax=, or more memory; journalctl -k | grep -i 'killed process' tells".into(),
            sure: false,
        }),
        _ => None,
    }
}

/// By what it said in one line.
fn of_line(line: &str, bounds: &Bounds) -> Option<Blame> {
    let small = line.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| small.contains(word));
    let made = of_place(&says, line, bounds).or_else(|| {
        let known = SYMPTOMS.iter().find(|symptom| says(symptom.words) && (symptom.can_be)(bounds))?;
        Some((known.why.to_owned(), known.cure.to_owned(), known.sure))
    });
    made.map(|(why, cure, sure)| Blame { why, line: Some(line.trim().to_owned()), cure, sure })
}

/// By a path in the line: what is mounted there.
fn of_place(says: &dyn Fn(&[&str]) -> bool, line: &str, bounds: &Bounds) -> Option<(String, String, bool)> {
    let places: Vec<PathBuf> = paths(line).collect();
    let mounts = || places.iter().filter_map(|path| Some((path, bounds.mount_of(path)?)));
    if says(&["read-only file system", "erofs"]) {
        let Some((path, mount)) = mounts().find(|(_, mount)| mount.read_only || mount.all_read_only) else {
            return bounds.mounts.iter().any(|mount| mount.read_only && mount.at == Path::new("/")).then(|| {
                ("nearly everything is read-only for commands here".into(), "ReadWritePaths=FOLDER".into(), true)
            });
        };
        let at = RawPath::from(mount.at.as_path());
        if mount.all_read_only {
            return Some((format!("{at} is mounted read-only"), format!("mount -o remount,rw {at}"), true));
        }
        let folder = RawPath::from(path.parent().unwrap_or(path));
        return Some((format!("{folder} is read-only for commands here"), format!("ReadWritePaths={folder}"), true));
    }
    if says(&["permission denied", "eacces", "may not be executed"]) {
        if let Some((_, mount)) = mounts().find(|(_, mount)| mount.is_locked()) {
            let at = RawPath::from(mount.at.as_path());
            let home = ["/home", "/root", "/run/user"].iter().any(|home| mount.at == Path::new(home));
            let cure = if home { "ProtectHome=no, or read-only" } else { "InaccessiblePaths= without it" };
            return Some((format!("{at} is closed to commands here"), cure.into(), true));
        }
        if let Some((path, _)) = mounts().find(|(path, mount)| mount.no_exec && path.is_file()) {
            let path = RawPath::from(path.as_path());
            let cure = "ExecPaths= with it, or another place for it: it is mounted noexec";
            return Some((format!("nothing can be run from where {path} is"), cure.into(), false));
        }
    }
    if says(&["no such file or directory", "enoent"]) {
        let (_, mount) = mounts().find(|(_, mount)| mount.is_private() || is_empty_home(mount))?;
        let at = RawPath::from(mount.at.as_path());
        let cure = if mount.is_private() { "PrivateTmp=no" } else { "ProtectHome=no, or read-only" };
        return Some((format!("{at} is another one for commands here than for everybody else"), cure.into(), false));
    }
    None
}

fn is_empty_home(mount: &crate::host::bounds::Mount) -> bool {
    mount.fs_type == "tmpfs" && ["/home", "/root"].iter().any(|home| mount.at == Path::new(home))
}

/// The absolute paths in a line, as far as their ends can be seen.
fn paths(line: &str) -> impl Iterator<Item = PathBuf> {
    let apart = |c: char| c.is_whitespace() || "'\"`‘’“”,:;()[]<>=".contains(c);
    line.split(apart).filter(|part| part.starts_with('/')).map(PathBuf::from)
}

/// A system call that is forbidden, told by the signal or by a shell: why, and the cure.
const FORBIDDEN_CALL: (&str, &str) = (
    "it made a system call that is forbidden here (SIGSYS)",
    "SystemCallFilter= with what it needs; journalctl -k | grep SECCOMP may tell which call it was",
);

/// Something that commands say when they may not do what they try.
struct Symptom {
    /// Any of these, in small letters.
    words: &'static [&'static str],
    /// Whether it can come from what is forbidden here.
    can_be: fn(&Bounds) -> bool,
    why: &'static str,
    cure: &'static str,
    sure: bool,
}

const SYMPTOMS: &[Symptom] = &[
    Symptom {
        words: &["too many open files", "emfile"],
        can_be: |_| true,
        why: "it may not open so many files",
        cure: "LimitNOFILE= (its first number is what commands get)",
        sure: true,
    },
    Symptom {
        words: &["bad system call"],
        can_be: |bounds| bounds.filtered,
        why: FORBIDDEN_CALL.0,
        cure: FORBIDDEN_CALL.1,
        sure: true,
    },
    Symptom {
        words: &[
            "mark memory page as executable",
            "memorychunk allocation failed",
            "failed to allocate executable memory",
        ],
        can_be: |bounds| bounds.filtered,
        why: "it may not make memory executable, as programs that compile while they run do",
        cure: "MemoryDenyWriteExecute=no",
        sure: true,
    },
    Symptom {
        words: &["no new privileges", "effective uid is not 0"],
        can_be: |bounds| bounds.no_new_privileges,
        why: "commands can gain no rights here",
        cure: "NoNewPrivileges=no, or --run-as in place of sudo",
        sure: true,
    },
    Symptom {
        words: &["address family not supported", "eafnosupport"],
        can_be: |bounds| bounds.filtered,
        why: "it may not use this kind of network",
        cure: "RestrictAddressFamilies= with AF_INET and AF_INET6",
        sure: true,
    },
    Symptom {
        words: &[
            "network is unreachable",
            "enetunreach",
            "could not resolve",
            "temporary failure in name resolution",
            "name or service not known",
            "eai_again",
        ],
        can_be: |bounds| bounds.lonely,
        why: "commands have no network here",
        cure: "PrivateNetwork=no",
        sure: true,
    },
    Symptom {
        words: &["couldn't connect to server", "failed to connect", "no route to host"],
        can_be: |bounds| bounds.lonely,
        why: "commands have no network here",
        cure: "PrivateNetwork=no",
        // Nobody may listen there either way.
        sure: false,
    },
    Symptom {
        words: &["cannot fork", "fork: retry", "fork: resource temporarily unavailable", "starts no more processes"],
        can_be: |_| true,
        why: "no more processes may be started",
        cure: "TasksMax= and LimitNPROC=",
        sure: true,
    },
    Symptom {
        words: &["cannot allocate memory", "out of memory", "enomem", "bad_alloc", "memoryerror"],
        can_be: |bounds| bounds.memory.is_some(),
        why: "it may not have so much memory",
        cure: "LimitAS=",
        sure: true,
    },
    Symptom {
        words: &["file too large", "efbig"],
        can_be: |bounds| bounds.file_size.is_some(),
        why: "files may not become so large here",
        cure: "LimitFSIZE=",
        sure: true,
    },
    Symptom {
        words: &["operation not permitted", "eperm"],
        can_be: |bounds| bounds.filtered || bounds.no_new_privileges,
        why: "something is not permitted here that its user may do elsewhere",
        cure: "less of SystemCallFilter=, RestrictSUIDSGID=, RestrictNamespaces=, CapabilityBoundingSet= or IPAddressDeny=",
        sure: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
        2 1 8:1 /usr /usr ro - ext4 /dev/sda1 rw\n\
        3 1 0:47 /systemd/inaccessible/dir /home ro,noexec - tmpfs tmpfs rw\n\
        4 1 8:1 /tmp/systemd-private-1-fsmond.service-x/tmp /tmp rw - ext4 /dev/sda1 rw\n\
        5 1 11:0 / /media/cd ro - iso9660 /dev/sr0 ro\n";

    fn tight() -> Bounds {
        Bounds { lonely: true, ..Bounds::of("NoNewPrivs:\t1\nSeccomp:\t2\n", MOUNTS, "") }
    }

    /// Why and cure, for a command that said this and ended with 1.
    #[track_caller]
    fn of(said: &str) -> (String, String, bool) {
        let blame = blame(&Outcome::Exited(1), said.as_bytes(), &tight()).expect(said);
        assert!(said.contains(&blame.line.unwrap()));
        (blame.why, blame.cure, blame.sure)
    }

    #[test]
    fn what_could_not_be_written_names_its_folder() {
        for said in [
            "cp: cannot create regular file '/usr/local/out/x': Read-only file system",
            "cp: cannot create regular file ‘/usr/local/out/x’: Read-only file system\nin all 0 files\n",
            "OSError: [Errno 30] Read-only file system: '/usr/local/out/x'",
            "sh: 1: cannot create /usr/local/out/x: Read-only file system",
            "Error: EROFS: read-only file system, open '/usr/local/out/x'",
        ] {
            let (why, cure, sure) = of(said);
            assert_eq!((why.as_str(), sure), ("/usr/local/out is read-only for commands here", true));
            assert_eq!(cure, "ReadWritePaths=/usr/local/out");
        }
        let (why, cure, _) = of("touch: /media/cd/x: Read-only file system");
        assert!(why == "/media/cd is mounted read-only" && cure == "mount -o remount,rw /media/cd");
        let strict = Bounds::of("", "1 0 8:1 / / ro - ext4 /dev/sda1 rw\n", "");
        assert!(blame(&Outcome::Exited(1), b"x: Read-only file system", &strict).unwrap().sure);
        assert_eq!(blame(&Outcome::Exited(1), b"x: Read-only file system", &Bounds::default()), None);
    }

    #[test]
    fn closed_folders_and_private_ones_are_told() {
        assert_eq!(of("cat: /home/ann/list: Permission denied").1, "ProtectHome=no, or read-only");
        assert_eq!(of("cat: /tmp/list: No such file or directory").1, "PrivateTmp=no");
        let other = blame(&Outcome::Exited(1), b"cat: /etc/shadow: Permission denied", &tight());
        assert_eq!(other, None, "that is its user's lack of rights");
    }

    #[test]
    fn what_programs_say_is_known() {
        for (said, setting) in [
            ("python3: Too many open files: '/srv/in/x'", "LimitNOFILE="),
            ("curl: (7) Couldn't connect: Network is unreachable", "PrivateNetwork="),
            ("curl: (7) Failed to connect to 192.0.2.1 port 80: Couldn't connect to server", "PrivateNetwork="),
            (
                "Failed to mark memory page as executable - check if grsecurity/PaX is enabled",
                "MemoryDenyWriteExecute=",
            ),
            ("# Fatal javascript OOM in MemoryChunk allocation failed during deserialization.", "MemoryDenyWrite"),
            (
                "sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root.",
                "NoNewPrivileges=",
            ),
            ("socket: Address family not supported by protocol", "RestrictAddressFamilies="),
            ("unshare: unshare failed: Operation not permitted", "SystemCallFilter="),
            ("Bad system call (core dumped)", "SystemCallFilter="),
            ("bash: fork: retry: Resource temporarily unavailable", "TasksMax="),
        ] {
            assert!(of(said).1.contains(setting), "{said}");
        }
    }

    #[test]
    fn signals_that_only_limits_send_are_told() {
        let of = |outcome, bounds: &Bounds| blame(&outcome, b"nothing said", bounds).map(|blame| blame.cure);
        assert!(of(Outcome::Signalled(libc::SIGSYS), &tight()).unwrap().contains("SystemCallFilter="));
        assert!(of(Outcome::Exited(128 + libc::SIGSYS), &tight()).unwrap().contains("SystemCallFilter="));
        assert_eq!(of(Outcome::Signalled(libc::SIGSYS), &Bounds::default()), None);
        assert_eq!(of(Outcome::Signalled(libc::SIGXFSZ), &tight()).unwrap(), "LimitFSIZE=");
        assert!(of(Outcome::Signalled(libc::SIGKILL), &tight()).unwrap().contains("MemoryMax="));
        assert!(
            of(Outcome::Signalled(libc::SIGSEGV), &tight()).is_none() && of(Outcome::Exited(1), &tight()).is_none()
        );
        assert!(of(Outcome::TimedOut, &tight()).is_none());
    }

    #[test]
    fn what_could_not_be_started_is_looked_at_too() {
        let why = "the system starts no more processes for this user: see its limits on processes";
        assert!(blame(&Outcome::NotStarted(why.into()), b"", &tight()).unwrap().cure.contains("TasksMax="));
        let why = "'/home/ann/job' may not be executed: see its mode, and whether its file system is mounted noexec";
        assert!(blame(&Outcome::NotStarted(why.into()), b"", &tight()).unwrap().cure.contains("ProtectHome="));
    }
}
