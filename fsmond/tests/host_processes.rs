//! What only whole processes show: going into the background, locks between processes, signals, panics in the log.
//!
//! Without a test harness, since going into the background needs a process with a single thread. Called with a role in
//! the environment this program plays it; called without, it runs every case by calling itself.

#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use fsmond::host::daemonize::{Side, daemonize, foreground};
use fsmond::host::lock::Lock;
use fsmond::host::log::{FileSettings, Format, Level, Rotation, Settings, start};
use fsmond::host::signals::{Asked, Signals};

const ROLE: &str = "FSMOND_TEST_ROLE";
const SOON: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(ROLE) {
        return play(&role, Path::new(&std::env::args_os().nth(1).unwrap()));
    }
    for (name, case) in CASES {
        let folder = tempfile::tempdir().unwrap();
        case(folder.path());
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

type Case = fn(&Path);
const CASES: &[(&str, Case)] = &[
    ("a daemon that gets ready lets the caller end with 0", ready),
    ("a daemon that fails tells why, and the code", failed),
    ("a daemon that dies without a word is a failure", died),
    ("a daemon that can't have the lock tells so", second),
    ("a lock is free as soon as its process is killed", killed),
    ("in the foreground a failure is on stderr", in_foreground),
    ("signals: stop, then now; hangup reloads", signals),
    ("a panic is in the log with place and backtrace", panics),
    ("a console that takes nothing blocks nobody", dead_console),
    ("a full disk is survived, counted and told", full_disk),
];

// ----------------------------------------------------------------------------------------------------------- cases

fn ready(folder: &Path) {
    let output = run("ready", folder);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty() && output.stdout.is_empty(), "{output:?}");
    // It was ready before we came back: no waiting here.
    let facts = fs::read_to_string(folder.join("facts")).unwrap();
    let facts: Vec<_> = facts.lines().collect();
    assert_eq!(facts[..3], ["cwd /", "umask 027", "stdio /dev/null /dev/null /dev/null"]);
    let pid: i32 = facts[3].strip_prefix("pid ").unwrap().parse().unwrap();
    assert_eq!(fs::read_to_string(folder.join("lock")).unwrap(), format!("{pid}\n"), "the daemon's number");
    if let Some(session) = facts.get(4) {
        assert_eq!(*session, "leader false", "it can never get a controlling terminal again");
    }
    wait_until("the daemon ended", || folder.join("ended").exists());
}

fn failed(folder: &Path) {
    let output = run("failed", folder);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(stderr(&output), "fsmond: fsmond.toml:3: unknown key\n");
}

fn died(folder: &Path) {
    for role in ["exits", "panics-early", "aborts"] {
        let output = run(role, folder);
        assert_eq!(output.status.code(), Some(1), "{role}: {output:?}");
        let said = format!("fsmond: fsmond ended before it was ready; see {}/log\n", folder.display());
        assert_eq!(stderr(&output), said, "{role}");
    }
}

fn second(folder: &Path) {
    let mut holder = begin("holds", folder);
    wait_until("the lock is held", || folder.join("held").exists());
    let output = run("wants", folder);
    assert_eq!(output.status.code(), Some(1));
    let said = format!("running already (process {}): it holds {}/lock", holder.id(), folder.display());
    assert!(stderr(&output).contains(&said), "{output:?}");
    holder.kill().unwrap();
    holder.wait().unwrap();
}

fn killed(folder: &Path) {
    let mut holder = begin("holds", folder);
    wait_until("the lock is held", || folder.join("held").exists());
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(folder.join("lock").exists(), "the stale file is there");
    assert_eq!(run("wants", folder).status.code(), Some(0));
}

fn in_foreground(folder: &Path) {
    let output = run("foreground", folder);
    assert_eq!(stderr(&output), "fsmond: can't be\n");
}

fn signals(folder: &Path) {
    let child = begin("signals", folder);
    let told = || fs::read_to_string(folder.join("told")).unwrap_or_default();
    let mut expected = String::from("listening\n");
    for (signal, word) in [("HUP", "Reload"), ("TERM", "Stop"), ("HUP", "Reload"), ("INT", "StopNow")] {
        wait_until("it was told", || told() == expected);
        let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        expected = expected + word + "\n";
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), told()), (Some(0), expected));
}

fn panics(folder: &Path) {
    let output = run("panics", folder);
    assert!(!output.status.success());
    let text = fs::read_to_string(folder.join("log")).unwrap();
    let first = text.lines().next().unwrap();
    assert!(first.contains("ERROR a bug: fsmond panicked: index out of\\nbounds"), "{text}");
    assert!(
        first.contains("thread=main") && first.contains("place=") && first.contains("host_processes.rs:"),
        "{text}"
    );
    assert!(text.lines().count() > 3, "a backtrace: {text}");
    assert!(text.lines().all(|l| l.contains(" ERROR ")), "every line is a record: {text}");
}

fn dead_console(folder: &Path) {
    // Nobody reads the pipe: it is full after 64 KiB.
    let mut child = begin("floods", folder);
    let status = wait_for(&mut child);
    assert!(status, "it ended although its stderr takes nothing");
    let text = fs::read_to_string(folder.join("log")).unwrap();
    assert_eq!(text.lines().filter(|l| l.contains("flood")).count(), 3_000, "the file has all of it");
}

fn full_disk(folder: &Path) {
    // The limit on the size of a file stands for the size of a disk; its signal has to be ignored from outside.
    let program = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$1\""])
        .args([program.as_os_str(), folder.as_os_str()])
        .env(ROLE, "fills")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "said once: {said}");
    assert!(said.starts_with("fsmond: can't write the log file "), "{said}");

    let text = fs::read_to_string(folder.join("log")).unwrap();
    let whole = text.lines().filter(|l| l.contains(" WARN fill ") && l.ends_with("end=1")).count();
    let told: usize = text
        .lines()
        .filter_map(|l| l.split_once(" WARN ")?.1.strip_suffix(" log lines were dropped"))
        .map(|n| n.replace(',', "").parse::<usize>().unwrap())
        .sum();
    assert_eq!((whole + told, told > 0), (200, true), "written whole or counted: {text}");
    assert!(text.ends_with(" WARN after\n"), "{text}");
}

// ----------------------------------------------------------------------------------------------------------- roles

fn play(role: &str, folder: &Path) -> ExitCode {
    match role {
        "ready" | "failed" | "exits" | "panics-early" | "aborts" => in_background(role, folder),
        "holds" => {
            let _lock = Lock::state(folder, false).unwrap();
            fs::write(folder.join("held"), "").unwrap();
            std::thread::sleep(SOON);
            ExitCode::FAILURE
        }
        "wants" => match Lock::state(folder, false) {
            Ok(_) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("{e}");
                ExitCode::FAILURE
            }
        },
        "foreground" => {
            foreground().failed("can't be", 1);
            ExitCode::FAILURE
        }
        "signals" => listen(folder),
        "panics" => {
            start(&log_settings(folder, false)).unwrap();
            panic!("index out of\nbounds");
        }
        "floods" => {
            let log = start(&log_settings(folder, true)).unwrap();
            for n in 0..3_000 {
                tracing::warn!(target: "fsmond", n, "flood {}", "x".repeat(100));
            }
            // The console's queue can't be emptied; the file's can.
            assert!(!log.flush(Duration::from_secs(5)));
            ExitCode::SUCCESS
        }
        "fills" => fill(folder),
        other => panic!("no role {other}"),
    }
}

fn fill(folder: &Path) -> ExitCode {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let log = start(&log_settings(folder, false)).unwrap();
    let before = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(5_000), maximum: before.maximum }).unwrap();
    for n in 0..200 {
        tracing::warn!(target: "fsmond", n, end = 1, "fill");
    }
    assert!(!log.flush(Duration::from_millis(100)), "the count can't be written");
    setrlimit(Resource::Fsize, before).unwrap();
    assert!(log.flush(SOON));
    tracing::warn!(target: "fsmond", "after");
    assert!(log.flush(SOON));
    assert!(log.dropped() > 0);
    ExitCode::SUCCESS
}

fn in_background(role: &str, folder: &Path) -> ExitCode {
    let lock = (role == "ready").then(|| Lock::state(folder, false).unwrap());
    let readiness = match daemonize(&folder.join("log")).unwrap() {
        Side::Parent(code) => return ExitCode::from(code),
        Side::Child(readiness) => readiness,
    };
    match role {
        "ready" => {
            lock.as_ref().unwrap().sign().unwrap();
            fs::write(folder.join("facts"), facts()).unwrap();
            readiness.ready();
            fs::write(folder.join("ended"), "").unwrap();
        }
        "failed" => readiness.failed("fsmond.toml:3: unknown key", 78),
        "panics-early" => panic!("before it was ready"),
        "aborts" => std::process::abort(),
        _ => std::process::exit(0),
    }
    ExitCode::SUCCESS
}

fn facts() -> String {
    let cwd = std::env::current_dir().unwrap();
    let umask = rustix::process::umask(rustix::fs::Mode::empty());
    rustix::process::umask(umask);
    let stdio: Vec<PathBuf> =
        (0..3).map(|fd| fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or("/dev/null".into())).collect();
    let stdio: Vec<_> = stdio.iter().map(|p| p.display().to_string()).collect();
    let leader = rustix::process::getsid(None) == Ok(rustix::process::getpid());
    format!(
        "cwd {}\numask {:03o}\nstdio {}\npid {}\nleader {leader}\n",
        cwd.display(),
        umask.bits(),
        stdio.join(" "),
        std::process::id()
    )
}

fn listen(folder: &Path) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut signals = Signals::listen().unwrap();
        let mut told = fs::File::create(folder.join("told")).unwrap();
        writeln!(told, "listening").unwrap();
        loop {
            let asked = signals.next().await;
            writeln!(told, "{asked:?}").unwrap();
            if asked == Asked::StopNow {
                return ExitCode::SUCCESS;
            }
        }
    })
}

fn log_settings(folder: &Path, console: bool) -> Settings {
    let file = FileSettings { path: folder.join("log"), rotation: Rotation::default() };
    Settings { level: Level::Info, format: Format::Text, console, file: Some(file) }
}

// --------------------------------------------------------------------------------------------------------- helpers

fn command(role: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(folder).env(ROLE, role).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(role: &str, folder: &Path) -> Output {
    command(role, folder).output().unwrap()
}

fn begin(role: &str, folder: &Path) -> Child {
    command(role, folder).spawn().unwrap()
}

fn stderr(output: &Output) -> String {
    // A panic before the log is there goes to stderr too, which is /dev/null in the background.
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn wait_for(child: &mut Child) -> bool {
    wait_until("it ended", || child.try_wait().unwrap().is_some());
    child.wait().unwrap().success()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
