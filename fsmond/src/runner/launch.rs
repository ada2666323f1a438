//! Loads a program as the leader of a new group: found in the environment it will have, as whom it is to run, with no
//! more open than the pipes it is given. The same for commands and workers.

use std::ffi::OsString;
use std::io::{self, PipeWriter};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use fsmon_protocol::spec::Rules;
use rustix::io::Errno;

use super::environment::Environment;
use super::handed::Handed;
use super::leader::Leader;
use super::run_as::Account;
use super::vouched::Vouched;
use super::{manners, program, trust};

/// What is to be started.
pub(super) struct Launch<'a> {
    pub(super) argv: &'a [OsString],
    pub(super) folder: &'a Path,
    pub(super) environment: &'a Environment<'a>,
    pub(super) account: Option<&'a Account>,
    pub(super) rules: &'a Rules,
    /// The file that it is handed open.
    pub(super) handed: Option<&'a Handed>,
    pub(super) vouched: &'a Vouched,
}

/// Why it was not started.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotStarted {
    /// The file that it was to be handed is gone.
    Vanished,
    /// The machine, or a limit, gives no more just now: descriptors, processes, memory. In a sentence.
    Short(String),
    /// In a sentence.
    Because(String),
}

impl NotStarted {
    /// For this error, in that sentence.
    fn of(error: &io::Error, why: String) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::AGAIN | Errno::NOMEM) => Self::Short(why),
            _ => Self::Because(why),
        }
    }
}

impl From<String> for NotStarted {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}

impl From<NotStarted> for String {
    fn from(why: NotStarted) -> Self {
        match why {
            NotStarted::Vanished => "the file that it was to be handed is gone".to_owned(),
            NotStarted::Short(why) | NotStarted::Because(why) => why,
        }
    }
}

impl From<&str> for NotStarted {
    fn from(why: &str) -> Self {
        Self::Because(why.to_owned())
    }
}

/// Where it reads and writes.
pub(super) struct Ends {
    pub(super) stdin: Stdio,
    pub(super) stdout: PipeWriter,
    pub(super) stderr: PipeWriter,
}

/// Why a pipe could not be had.
#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
pub(super) fn no_pipe(error: io::Error) -> NotStarted {
    NotStarted::of(&error, format!("no pipe can be made for it: {error}; see the limits on open files"))
}

impl Launch<'_> {
    /// Starts it; blocks. Needs a runtime.
    pub(super) fn start(&self, ends: impl FnOnce() -> Result<Ends, NotStarted>) -> Result<Leader, NotStarted> {
        let name = self.argv.first().ok_or("the watch has no command")?;
        let file = program::find(name, self.folder, self.environment)?;
        if trust::matters() {
            let (file, user) = (Path::new(&file), self.account.map(|account| account.uid.as_raw()));
            self.vouched.or(file, file, user, || trust::check_program(file, user))?;
        }
        let Ends { stdin, stdout, stderr } = ends()?;
        let mut command = Command::new(&file);
        command.arg0(name).args(&self.argv[1..]).env_clear().envs(self.environment.all()).current_dir(self.folder);
        // Before it becomes somebody else: only root may be less nice.
        manners::put_on(self.rules, &mut command)?;
        if let Some(account) = self.account {
            // What a pipe's end belongs to decides who may open it by name, as `/dev/stderr`.
            account.own(&stdout).and_then(|()| account.own(&stderr)).map_err(no_pipe)?;
            account.put_on(&mut command);
        }
        // After it has become somebody else: whose rights decide.
        if let Some(handed) = self.handed {
            handed.put_on(&mut command);
        }
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        Leader::start(&mut command).map_err(|error| {
            let as_whom = self.account.map(|account| format!("as user {}: ", account.uid)).unwrap_or_default();
            match self.handed.and_then(|handed| handed.explain(&error)) {
                Some(NotStarted::Because(why)) => NotStarted::Because(format!("{as_whom}{why}")),
                Some(other) => other,
                None => {
                    let why = program::explain(&error, &file, self.folder);
                    NotStarted::of(&error, format!("{as_whom}{why}"))
                }
            }
        })
    }
}
