//! A daemon of a test's own: the real `fsmond`, in a temporary folder that holds everything it knows of.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::ctl::exit_code;
use crate::job::Job;
use crate::tail::Tail;
use crate::wait::{LIMIT, holds_within};
use crate::{Ran, process, programs};

/// How a daemon is to be started.
#[derive(Debug, Clone, Default)]
pub struct DaemonOptions {
    /// The text of its config file; without one there is none.
    pub config: Option<String>,
    /// More arguments.
    pub args: Vec<String>,
    /// More environment.
    pub env: Vec<(String, String)>,
    /// A program that starts it, with its arguments: `prlimit --nofile=32`.
    pub wrapper: Vec<String>,
    /// Run it, and fsmonctl, as the user `nobody`; only root can.
    pub as_nobody: bool,
}

impl DaemonOptions {
    /// With at most so many descriptors. None where `prlimit` is not installed, which is said.
    pub fn with_descriptors(most: u32) -> Option<Self> {
        if programs::installed("prlimit").is_none() {
            println!("skipped: prlimit is not installed");
            return None;
        }
        let wrapper = vec!["prlimit".to_owned(), format!("--nofile={most}:{most}")];
        Some(Self { wrapper, ..Self::default() })
    }
}

/// Why a daemon did not start.
#[derive(Debug, Clone)]
pub struct StartFailure {
    /// Its exit code; none if it neither ended nor became ready.
    pub code: Option<i32>,
    /// What it said.
    pub console: String,
}

/// A daemon, and the folder it lives in. Both go when this is dropped, and every command it has left running.
pub struct Daemon {
    /// Removed with all in it when this is dropped.
    _folder: TempDir,
    base: PathBuf,
    options: DaemonOptions,
    child: Option<Child>,
    /// The process number of one that put itself in the background.
    background: Option<u32>,
}

/// The user number of `nobody`, and of its group.
const NOBODY: u32 = 65_534;

impl Daemon {
    /// A daemon with no config, in the foreground, ready.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(DaemonOptions::default())
    }

    /// A daemon in the foreground, ready.
    #[track_caller]
    pub fn start_with(options: DaemonOptions) -> Self {
        let mut daemon = Self::prepare(options);
        daemon.start_again();
        daemon
    }

    /// The folder and all in it, but no daemon yet.
    pub fn prepare(options: DaemonOptions) -> Self {
        let folder = tempfile::Builder::new().prefix("fsmon-").tempdir().expect("a temporary folder");
        let base = folder.path().canonicalize().expect("its true path");
        for name in ["home", "run", "config", "data"] {
            fs::create_dir(base.join(name)).expect("a folder");
            fs::set_permissions(base.join(name), fs::Permissions::from_mode(0o700)).expect("its mode");
        }
        let daemon = Self { _folder: folder, base, options, child: None, background: None };
        if let Some(text) = &daemon.options.config {
            daemon.write_config(text);
        }
        if daemon.options.as_nobody {
            daemon.give_to_nobody();
        }
        daemon
    }

    fn give_to_nobody(&self) {
        // The programs may lie where nobody else may look.
        fs::create_dir(self.base.join("bin")).expect("a folder");
        for name in ["fsmond", "fsmonctl"] {
            fs::copy(programs::folder().join(name), self.base.join("bin").join(name)).expect("a program to copy");
        }
        let chown = Ran::command(Command::new("chown").arg("-R").arg(format!("{NOBODY}:{NOBODY}")).arg(&self.base));
        chown.ok();
    }

    /// The folder that holds everything.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The folder that tests watch.
    pub fn root(&self) -> PathBuf {
        self.base.join("data")
    }

    /// A new folder beside the root, watched by nobody.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.base.join(name);
        fs::create_dir_all(&path).expect("a folder");
        if self.options.as_nobody {
            std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).expect("root can give it away");
        }
        path
    }

    /// Its state folder.
    pub fn state(&self) -> PathBuf {
        self.base.join("state")
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.base.join("fsmond.sock")
    }

    /// Its config file, whether it is there or not.
    pub fn config(&self) -> PathBuf {
        self.base.join("config").join("fsmond.toml")
    }

    /// Writes its config file.
    pub fn write_config(&self, text: &str) {
        fs::write(self.config(), text).expect("its config");
    }

    /// What its log file holds.
    pub fn log(&self) -> String {
        read(&self.state().join("log").join("filesystem_monitor.log"))
    }

    /// What it said on stdout and stderr, in all its starts.
    pub fn console(&self) -> String {
        read(&self.base.join("console"))
    }

    /// Its process number.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).or(self.background).expect("a daemon that runs")
    }

    /// Whether it was started and its end was not yet seen.
    pub fn is_started(&self) -> bool {
        self.child.is_some() || self.background.is_some()
    }

    /// Whether it was started and lives.
    pub fn runs(&self) -> bool {
        self.is_started() && process::lives(self.pid())
    }

    /// What starts it from the next start on.
    pub fn set_wrapper(&mut self, wrapper: Vec<String>) {
        self.options.wrapper = wrapper;
    }

    /// `program` with the environment that both programs get, and nothing of the tester's own but what finds programs.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(&self.base);
        for name in ["PATH", "LANG", "TMPDIR", "RUST_BACKTRACE", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let home = self.base.join("home");
        command.env("HOME", &home).env("XDG_RUNTIME_DIR", self.base.join("run"));
        command.env("XDG_STATE_HOME", home.join("state")).env("XDG_CONFIG_HOME", self.base.join("config"));
        if self.options.as_nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn program(&self, name: &str) -> PathBuf {
        let copied = self.base.join("bin").join(name);
        if copied.exists() { copied } else { programs::folder().join(name) }
    }

    /// The command line of the daemon without `--foreground`: also for starts that are meant to fail.
    pub fn fsmond(&self) -> Command {
        let program = self.program("fsmond");
        let mut command = match self.options.wrapper.split_first() {
            None => self.command(program),
            Some((wrapper, rest)) => {
                let mut command = self.command(wrapper);
                command.args(rest).arg(program);
                command
            }
        };
        command.arg("--state-dir").arg(self.state()).arg("--socket").arg(self.socket());
        if self.config().exists() {
            command.arg("--config").arg(self.config());
        }
        command.args(&self.options.args);
        for (name, value) in &self.options.env {
            command.env(name, value);
        }
        command
    }

    /// Starts it in the foreground and waits until it is ready.
    #[track_caller]
    pub fn start_again(&mut self) {
        if let Err(failure) = self.try_start() {
            panic!("fsmond does not start, code {:?}:\n{}", failure.code, failure.console);
        }
    }

    /// Starts it in the foreground and waits until it is ready or has given up.
    pub fn try_start(&mut self) -> Result<(), StartFailure> {
        assert!(self.child.is_none() && self.background.is_none(), "it runs already");
        let before = self.console().len();
        let console = OpenOptions::new().create(true).append(true).open(self.base.join("console")).expect("a file");
        let mut command = self.fsmond();
        command.arg("--foreground").stdin(Stdio::null());
        command.stdout(console.try_clone().expect("a handle")).stderr(console);
        let mut child = command.spawn().expect("fsmond can be started");
        let mut ended = None;
        let ready = holds_within(LIMIT, || {
            ended = child.try_wait().expect("a child of ours");
            ended.is_some() || self.ctl(["status"]).code == 0
        });
        if ready && ended.is_none() {
            self.child = Some(child);
            return Ok(());
        }
        let _ = child.kill();
        let _ = child.wait();
        let console = self.console().split_off(before);
        Err(StartFailure { code: ended.map(exit_code), console })
    }

    /// Starts it the way a person does: it puts itself in the background and returns.
    #[track_caller]
    pub fn start_in_background(&mut self) -> Ran {
        let ran = Ran::command(&mut self.fsmond());
        if ran.code == 0 {
            let status = self.ctl(["status", "--json"]).ok().json().remove(0);
            self.background = Some(u32::try_from(status["pid"].as_u64().expect("a pid")).expect("a pid"));
        }
        ran
    }

    /// A call of fsmonctl, ready to be run.
    pub fn fsmonctl<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(self.program("fsmonctl"));
        command.arg("--socket").arg(self.socket()).args(args);
        command
    }

    /// Calls fsmonctl.
    pub fn ctl<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::command(&mut self.fsmonctl(args))
    }

    /// Calls fsmonctl, which must end with 0.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        self.ctl(args).ok()
    }

    /// Calls fsmonctl with `--json`, which must end with 0; one value for each line.
    #[track_caller]
    pub fn json<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Vec<Value> {
        let mut command = self.command(self.program("fsmonctl"));
        command.arg("--socket").arg(self.socket()).arg("--json").args(args);
        Ran::command(&mut command).ok().json()
    }

    /// The daemon at a glance.
    #[track_caller]
    pub fn status(&self) -> Value {
        self.json(["status"]).remove(0)
    }

    /// One watch.
    #[track_caller]
    pub fn show(&self, watch: &str) -> Value {
        self.json(["show", watch]).remove(0)
    }

    /// Watches the root under the name `data`, with these options and this command, and waits until it is seen live.
    #[track_caller]
    pub fn add(&self, options: &[&str], command: &[&str]) {
        self.add_folder("data", &self.root(), options, command);
    }

    /// Watches a folder under this name, with these options and this command, and waits until it is seen live.
    #[track_caller]
    pub fn add_folder(&self, name: &str, folder: &Path, options: &[&str], command: &[&str]) {
        let mut args: Vec<&OsStr> = ["add", "--name", name].map(OsStr::new).to_vec();
        args.extend(options.iter().map(OsStr::new));
        args.push(folder.as_os_str());
        if !command.is_empty() {
            args.push(OsStr::new("--"));
            args.extend(command.iter().map(OsStr::new));
        }
        self.ok(args);
        self.wait_watching(name);
    }

    /// A job that logs, in a folder that nobody watches.
    pub fn job(&self) -> Job {
        Job::logging(&self.dir("job"))
    }

    /// A job that does `body` first.
    pub fn job_script(&self, body: &str) -> Job {
        Job::script(&self.dir("job"), body)
    }

    /// Follows what is told from now on.
    #[track_caller]
    pub fn tail(&self) -> Tail {
        let last = self.status()["last_seq"].as_u64().expect("a number");
        self.tail_since(last)
    }

    /// Follows what is told after this number.
    pub fn tail_since(&self, seq: u64) -> Tail {
        Tail::start(self.fsmonctl(["tail", "--json", "--since", &seq.to_string()]))
    }

    /// Waits until a watch has been compared with its tree and is seen live.
    #[track_caller]
    pub fn wait_watching(&self, watch: &str) {
        self.wait_state(watch, "watching");
    }

    /// Waits until a watch is in this state.
    #[track_caller]
    pub fn wait_state(&self, watch: &str, state: &str) {
        self.until(&format!("'{watch}' is {state}"), || self.show(watch)["state"] == state);
    }

    /// Waits until nothing of a watch is pending or runs, and no scan is under way.
    #[track_caller]
    pub fn wait_idle(&self, watch: &str) {
        self.until(&format!("'{watch}' has nothing to do"), || {
            let status = self.show(watch);
            status["pending"] == 0 && status["running"] == 0 && status["scan"].is_null() && status["open_gaps"] == 0
        });
    }

    /// Waits for a level; on failure tells what the daemon has to say.
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        assert!(holds_within(LIMIT, holds), "not within {} s: {what}\n{}", LIMIT.as_secs(), self.diagnosis());
    }

    /// What the daemon has to say: its status, and the end of its log.
    pub fn diagnosis(&self) -> String {
        let status = self.ctl(["list"]);
        let log = self.log();
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        format!(
            "list: {}{}\nlog:\n{}\nconsole:\n{}",
            status.text(),
            status.complaint(),
            tail.join("\n"),
            self.console()
        )
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// Ends it the hard way, and waits until it is gone.
    #[track_caller]
    pub fn kill9(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait_end(LIMIT).expect("SIGKILL ends it");
    }

    /// Asks it to stop and waits for its end: the exit code, or none for one in the background.
    #[track_caller]
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        let ended = self.wait_end(LIMIT);
        ended.unwrap_or_else(|| panic!("it does not stop\n{}", self.diagnosis()))
    }

    /// Stops it, which must end with 0, and starts it again.
    #[track_caller]
    pub fn restart(&mut self) {
        assert_eq!(self.stop(), Some(0), "{}", self.console());
        self.start_again();
    }

    /// Waits for its end: outer none if it goes on, inner none where the code can't be known.
    pub fn wait_end(&mut self, limit: Duration) -> Option<Option<i32>> {
        if let Some(child) = &mut self.child {
            let status = process::wait_for(child, limit)?;
            self.child = None;
            return Some(Some(exit_code(status)));
        }
        let pid = self.background?;
        if holds_within(limit, || !process::lives(pid)) {
            self.background = None;
            return Some(None);
        }
        None
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() && (self.child.is_some() || self.background.is_some()) {
            eprintln!("{}", self.diagnosis());
        }
        // A second TERM means now.
        for signal in [Signal::SIGCONT, Signal::SIGTERM, Signal::SIGTERM, Signal::SIGKILL] {
            if self.child.is_none() && self.background.is_none() {
                break;
            }
            self.signal(signal);
            let limit = if signal == Signal::SIGCONT { Duration::ZERO } else { Duration::from_secs(2) };
            let _ = self.wait_end(limit);
        }
        // Commands of a daemon that was killed live on; they carry the root they ran for.
        for pid in process::of_commands_below(&self.base) {
            process::signal(pid, Signal::SIGKILL);
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
