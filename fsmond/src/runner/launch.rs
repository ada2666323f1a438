//! Loads a program as the leader of a new group: found in the environment it will have, as whom it is to run, with no
//! more open than the pipes it is given. The same for commands and workers.

use std::ffi::OsString;
use std::io::{self, PipeWriter};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use fsmon_protocol::spec::Rules;

use super::environment::Environment;
use super::leader::Leader;
use super::run_as::Account;
use super::{manners, program, trust};

/// What is to be started.
pub(super) struct Launch<'a> {
    pub(super) argv: &'a [OsString],
    pub(super) folder: &'a Path,
    pub(super) environment: &'a Environment,
    pub(super) account: Option<&'a Account>,
    pub(super) rules: &'a Rules,
}

/// Where it reads and writes.
pub(super) struct Ends {
    pub(super) stdin: Stdio,
    pub(super) stdout: PipeWriter,
    pub(super) stderr: PipeWriter,
}

/// Why a pipe could not be had, in a sentence.
#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
pub(super) fn no_pipe(error: io::Error) -> String {
    format!("no pipe can be made for it: {error}; see the limits on open files")
}

impl Launch<'_> {
    /// Starts it; blocks. Needs a runtime.
    pub(super) fn start(&self, ends: impl FnOnce() -> Result<Ends, String>) -> Result<Leader, String> {
        let name = self.argv.first().ok_or("the watch has no command")?;
        let file = program::find(name, self.folder, self.environment)?;
        if trust::matters() {
            trust::check_program(Path::new(&file), self.account.map(|account| account.uid.as_raw()))?;
        }
        let Ends { stdin, stdout, stderr } = ends()?;
        let mut command = Command::new(&file);
        command.arg0(name).args(&self.argv[1..]).env_clear().envs(self.environment).current_dir(self.folder);
        // Before it becomes somebody else: only root may be less nice.
        manners::put_on(self.rules, &mut command)?;
        if let Some(account) = self.account {
            // What a pipe's end belongs to decides who may open it by name, as `/dev/stderr`.
            account.own(&stdout).and_then(|()| account.own(&stderr)).map_err(no_pipe)?;
            account.put_on(&mut command);
        }
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        Leader::start(&mut command).map_err(|error| {
            let why = program::explain(&error, &file, self.folder);
            self.account.map_or_else(|| why.clone(), |account| format!("as user {}: {why}", account.uid))
        })
    }
}
