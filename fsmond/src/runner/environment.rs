//! The environment of a command: exactly what is promised, made from nothing. Nothing of the daemon's own environment
//! is handed on (it may hold a notify socket, activation descriptors or secrets) but `PATH`, `LANG` and `TZ`.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use fsmon_core::io::{SpawnRequest, WorkersRequest};
use fsmon_protocol::event::EventKind;
use fsmon_protocol::spec::{Mode, Rules};
use nix::unistd::{Uid, User};

use super::batch_of;
use super::run_as::Account;

/// Where the programs of a system usually are, for a daemon that was started without a `PATH`.
pub(super) const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Which daemon started a process: the id of its state folder, so that one daemon never takes another's commands for
/// its own leftovers.
pub(super) const DAEMON: &str = "FSMON_DAEMON";
/// The number of the run.
pub(super) const RUN: &str = "FSMON_RUN";
/// The same for every attempt at the same version of the same file.
pub(super) const EVENT_ID: &str = "FSMON_EVENT_ID";
/// In its place for a batch: the same for every attempt at the same versions of the same files.
pub(super) const BATCH_ID: &str = "FSMON_BATCH_ID";
/// The number of a worker among those of its watch, from 1.
pub(super) const WORKER: &str = "FSMON_WORKER";

/// Names and values; of those with the same name the last one counts. One is made for each command, so it borrows what
/// there is and keeps no order.
pub(super) struct Environment<'a>(Vec<(&'a OsStr, Cow<'a, OsStr>)>);

impl<'a> Environment<'a> {
    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.all().rev().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Names and values, those that win after those they win over.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (*name, &**value))
    }

    fn set(&mut self, name: &'a str, value: impl Into<Cow<'a, OsStr>>) {
        self.0.push((OsStr::new(name), value.into()));
    }

    fn set_bytes(&mut self, name: &'a str, value: &'a [u8]) {
        self.set(name, OsStr::from_bytes(value));
    }
}

/// What every command of this daemon gets: `PATH HOME USER LANG TZ` of the daemon's user, and [`DAEMON`]. `HOME` and
/// `USER` are what the user database says, since after `sudo` or `su` the environment may tell another user's.
pub(super) fn base(daemon_id: &str) -> Environment<'static> {
    let user = User::from_uid(Uid::effective()).ok().flatten();
    let inherited = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let (name, home) = user.map(|user| (OsString::from(user.name), user.dir.into_os_string())).unzip();
    let mut environment = Environment(Vec::new());
    let mut set = |name: &'static str, value: Option<OsString>| {
        if let Some(value) = value {
            environment.set(name, value);
        }
    };
    set("PATH", inherited("PATH").or_else(|| Some(USUAL_PATH.into())));
    set("HOME", home.or_else(|| inherited("HOME")));
    set("USER", name.or_else(|| inherited("USER")));
    set("LANG", inherited("LANG"));
    set("TZ", inherited("TZ"));
    set(DAEMON, Some(daemon_id.into()));
    environment
}

/// What all runs of a watch get: `base`, with the home and name of the user they run as where that is another one, then
/// what the watch's `--env` says.
pub(super) fn of_watch<'a>(
    base: &'a Environment<'static>,
    rules: &'a Rules,
    account: Option<&'a Account>,
) -> Environment<'a> {
    // Room for the facts of a run.
    let mut environment = Environment(Vec::with_capacity(base.0.len() + rules.env.len() + 12));
    environment.0.extend(base.0.iter().map(|(name, value)| (*name, Cow::Borrowed(&**value))));
    if let Some(account) = account {
        environment.set("HOME", account.home.as_os_str());
        environment.set_bytes("USER", account.name.as_bytes());
    }
    for pair in &rules.env {
        if let Some((name, value)) = pair.split_once('=') {
            environment.set_bytes(name, value.as_bytes());
        }
    }
    environment
}

/// The environment of one run: that of its watch, then the facts of this run, which win.
pub(super) fn of_run<'a>(
    base: &'a Environment<'static>,
    request: &'a SpawnRequest,
    account: Option<&'a Account>,
) -> Environment<'a> {
    let mut environment = of_watch(base, &request.rules, account);
    environment.set_bytes("FSMON_TRIGGER", request.trigger.as_str().as_bytes());
    if batch_of(request).is_some() {
        environment.set_bytes(BATCH_ID, request.event_id.as_bytes());
    } else {
        environment.set_bytes("FSMON_EVENT", request.kind.as_str().as_bytes());
        environment.set("FSMON_PATH", request.root.join(request.rel.as_bytes()).as_path().as_os_str().to_owned());
        if let (EventKind::Rename, Some(from)) = (request.kind, &request.from) {
            environment.set_bytes("FSMON_OLD_PATH", from.as_bytes());
        }
        environment.set_bytes(EVENT_ID, request.event_id.as_bytes());
    }
    environment.set_bytes("FSMON_ROOT", request.root.as_bytes());
    environment.set_bytes("FSMON_WATCH", request.watch_name.as_bytes());
    environment.set(RUN, OsString::from(request.run.to_string()));
    environment.set("FSMON_ATTEMPT", OsString::from(request.attempt.to_string()));
    environment
}

/// The environment of a worker: `base` and what the watch's `--env` says, and which of its watch's workers it is.
pub(super) fn of_worker<'a>(
    base: &'a Environment<'static>,
    request: &'a WorkersRequest,
    number: u32,
    account: Option<&'a Account>,
) -> Environment<'a> {
    let mut environment = of_watch(base, &request.rules, account);
    environment.set_bytes("FSMON_ROOT", request.root.as_bytes());
    environment.set_bytes("FSMON_WATCH", request.watch_name.as_bytes());
    environment.set(WORKER, OsString::from(number.to_string()));
    environment
}

/// The folder a command runs in: that of its watch's rules, else the root; for a worker, which stays, one that keeps no
/// mount busy.
pub(super) fn folder<'a>(rules: &'a Rules, root: &'a Path) -> &'a Path {
    let usual = if rules.mode == Mode::Worker { Path::new("/") } else { root };
    rules.cwd.as_ref().map_or(usual, Path::new)
}
