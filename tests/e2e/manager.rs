//! What a service manager is told (`sd_notify`), with this test in its place. `tests/systemd/run.sh` has a real one.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::time::Duration;

use fsmon_tests::{Daemon, DaemonOptions, LIMIT, process};
use nix::sys::signal::Signal;

/// The manager's end, and the daemon that it started.
struct Managed {
    daemon: Daemon,
    child: Child,
    socket: UnixDatagram,
}

impl Managed {
    fn start(daemon: Daemon) -> Self {
        let path = daemon.base().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let mut command = daemon.fsmond();
        command.arg("--foreground").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
        let child = command.spawn().unwrap();
        Self { daemon, child, socket }
    }

    /// Reads until a message has this assignment; gives that message.
    #[track_caller]
    fn until(&self, assignment: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let n = self.socket.recv(&mut buffer).unwrap_or_else(|e| panic!("never told {assignment}: {e}"));
            let message = String::from_utf8_lossy(&buffer[..n]).into_owned();
            if message.lines().any(|line| line.starts_with(assignment)) {
                return message;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        process::signal(self.child.id(), signal);
    }

    #[track_caller]
    fn ends(&mut self, code: i32) {
        let status = process::wait_for(&mut self.child, LIMIT);
        assert_eq!(status.and_then(|status| status.code()), Some(code), "{}", self.daemon.log());
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn ready_is_told_when_the_socket_answers_and_then_signs_of_life() {
    let mut m = Managed::start(Daemon::prepare(DaemonOptions::default()));
    m.until("READY=1");
    // Once, without trying again.
    m.daemon.ok(["status"]);
    let message = m.until("WATCHDOG=1");
    assert!(message.contains("STATUS=0 watches, 0 files"), "{message}");
    m.daemon.add(&[], &[]);
    m.until("STATUS=1 watches (1 watching), ");
    m.daemon.ctl(["stop"]).refused(1, "systemctl stop");
    m.signal(Signal::SIGTERM);
    m.until("STOPPING=1");
    let message = m.until("EXTEND_TIMEOUT_USEC=");
    let micros: u64 = message.trim().strip_prefix("EXTEND_TIMEOUT_USEC=").unwrap().parse().unwrap();
    assert!(Duration::from_micros(micros) >= Duration::from_secs(10), "at least the grace of its commands: {micros}");
    m.ends(0);
}

#[test]
fn a_daemon_that_is_stopped_gives_no_sign_of_life() {
    let m = Managed::start(Daemon::prepare(DaemonOptions::default()));
    m.until("WATCHDOG=1");
    m.signal(Signal::SIGSTOP);
    // What it said before it stopped is read; then nothing comes, for several times what the manager would wait.
    m.socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut buffer = [0; 4096];
    while m.socket.recv(&mut buffer).is_ok() {}
    m.socket.set_read_timeout(Some(LIMIT)).unwrap();
    m.signal(Signal::SIGCONT);
    m.until("WATCHDOG=1");
}

#[test]
fn a_reload_is_told_with_its_time_also_where_the_config_is_bad() {
    let d = Daemon::prepare(DaemonOptions::default());
    d.write_config("");
    let mut m = Managed::start(d);
    m.until("READY=1");
    for config in ["[daemon]\nmax-runs = 3\n", "nonsense = 1\n"] {
        m.daemon.write_config(config);
        m.signal(Signal::SIGHUP);
        let message = m.until("RELOADING=1");
        let micros = message.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(micros.unwrap().parse::<u64>().unwrap() > 0, "{message}");
        m.until("READY=1");
    }
    m.signal(Signal::SIGTERM);
    m.ends(0);
}

#[test]
fn a_start_that_fails_tells_why() {
    let d = Daemon::prepare(DaemonOptions::default());
    let log = d.base().join("log-is-a-folder");
    std::fs::create_dir(&log).unwrap();
    d.write_config(&format!("[daemon]\nlog-file = \"{}\"\n", log.display()));
    let mut m = Managed::start(d);
    let message = m.until("STATUS=");
    assert!(message.contains("log-is-a-folder"), "{message}");
    m.ends(1);
}
