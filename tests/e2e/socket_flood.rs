//! Clients in numbers, all meaning harm: the daemon grows by little, answers others meanwhile, and does not panic.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fsmon_tests::{Daemon, DaemonOptions, process};
use rustix::thread::set_thread_res_uid;

/// What both sides begin with.
fn preamble() -> Vec<u8> {
    [b"fsmond\r\n", &fsmon_protocol::VERSION.to_le_bytes()[..]].concat()
}

/// A request for the daemon's status: variant 0; its deadline in seconds and nanoseconds; trace id, span id, sampling;
/// its number; and the first method, which takes nothing.
fn status_request(id: u8) -> Vec<u8> {
    let message = [&[0, 5, 0][..], &[0; 16], &[0, 1, id, 0]].concat();
    [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

/// How much memory the daemon has, in KiB.
fn memory(d: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", d.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Does something as each of these users in turn, in a thread that is of that user only while it does.
fn as_users<T: Send>(users: std::ops::Range<u32>, act: impl Fn() -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let act = &act;
        let mut done = Vec::new();
        for user in users {
            let acting = scope.spawn(move || {
                let user = rustix::process::Uid::from_raw(user);
                set_thread_res_uid(user, user, user).unwrap();
                act()
            });
            done.push(acting.join().unwrap());
        }
        done
    })
}

fn connect(socket: &Path) -> Option<UnixStream> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    Some(stream)
}

/// Numbers that look random and are the same each time.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.copy_from_slice(&self.0.to_le_bytes()[..chunk.len()]);
        }
    }
}

struct Attack {
    d: Daemon,
    socket: PathBuf,
    before: u64,
}

impl Attack {
    /// Others are answered, nothing panicked, and the daemon has not grown.
    fn withstood(&self, what: &str) {
        self.d.ok(["status"]);
        let (now, before) = (memory(&self.d), self.before);
        eprintln!("{what}: {before} KiB before, {now} KiB now");
        assert!(now <= before + (10 << 10), "{what}: it grew from {before} to {now} KiB");
        assert!(!self.d.log().contains("panicked") && !self.d.console().contains("panicked"), "{}", self.d.diagnosis());
    }
}

#[test]
fn floods_of_strangers_harm_only_themselves() {
    if !process::is_root() {
        eprintln!("skipped: only root can be many users");
        return;
    }
    let config = Some("[daemon]\nsocket-mode = \"0666\"\nreaders = [\"61000\"]\n".to_owned());
    let d = Daemon::start_with(DaemonOptions { config, ..DaemonOptions::default() });
    fs::set_permissions(d.base(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    d.ok(["status"]);
    let attack = Attack { socket: d.socket(), before: memory(&d), d };
    let socket = &attack.socket;

    // 400 that announce the largest frame there is, send a little of it and wait.
    let held = as_users(61_000..61_050, || -> Vec<UnixStream> {
        (0..8)
            .filter_map(|_| {
                let mut stream = connect(socket)?;
                let _ = stream.write_all(&[preamble(), vec![0x00, 0x0f, 0xff, 0xff, 1, 2, 3]].concat());
                Some(stream)
            })
            .collect()
    });
    assert_eq!(held.iter().flatten().count(), 400);
    attack.withstood("400 with huge frames");
    drop(held);

    // 100 that ask and ask, and never read. The first of them are readers, so that there is something to answer.
    let deaf = as_users(61_000..61_025, || -> Vec<UnixStream> {
        (0..4)
            .filter_map(|_| {
                let mut stream = connect(socket)?;
                let _ = stream.write_all(&preamble());
                for id in 0..200 {
                    if stream.write_all(&status_request(id)).is_err() {
                        break;
                    }
                }
                Some(stream)
            })
            .collect()
    });
    attack.withstood("100 that never read");
    drop(deaf);

    // 10,000 connections, one after the other.
    as_users(61_000..61_010, || (0..1000).for_each(|_| drop(UnixStream::connect(socket))));
    attack.withstood("10,000 connections");

    // A thousand times a megabyte of noise, with and without having said hello.
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut megabyte = vec![0; 1 << 20];
    for round in 0..1000 {
        noise.fill(&mut megabyte);
        let greeting = if round % 2 == 0 { preamble() } else { Vec::new() };
        as_users(61_000..61_001, || {
            let Some(mut stream) = connect(socket) else { return };
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let _ = stream.write_all(&[&greeting[..], &megabyte].concat());
            let _ = stream.read_to_end(&mut Vec::new());
        });
    }
    attack.withstood("1,000 MB of noise");
}
