//! What fsmonctl may ask of the daemon as a process.

use fsmon_protocol::doctor::Finding;
use fsmon_protocol::rpc_types::{Reloaded, Reply};
use fsmon_protocol::spec::{Options, Rules};
use fsmon_protocol::status::{Counters, WatchStatus};
use fsmon_protocol::units::{Span, Timestamp};
use fsmon_protocol::{ApiError, ErrorKind};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tracing::info;

use super::setup::Setup;
use crate::edges::RunOutput;
use crate::host::clock;
use crate::host::log::LogHandle;
use crate::host::notify;
use crate::rpc::{Control, DaemonFacts};
use crate::runner;
use crate::runner::run_as::Account;
use crate::runner::trust;

/// How many requests may wait for the daemon's loop. Full: the caller waits.
pub const REQUESTS: usize = 16;

/// What the daemon's loop is asked.
#[derive(Debug)]
pub enum Request {
    /// Read the config again.
    Reload(oneshot::Sender<Reply<Reloaded>>),
    /// Stop cleanly.
    Stop,
}

/// The daemon as fsmonctl sees it.
#[derive(Debug)]
pub struct DaemonControl {
    log: LogHandle,
    requests: mpsc::Sender<Request>,
    started: Timestamp,
    began: u64,
    socket: PathBuf,
    state: PathBuf,
    config: Option<PathBuf>,
    log_file: PathBuf,
    defaults: Defaults,
}

/// The defaults of the config, as of the last time it was read.
pub type Defaults = Arc<RwLock<Options>>;

impl DaemonControl {
    /// Of a daemon that starts now; `requests` leads to its loop.
    pub fn new(setup: &Setup, log: LogHandle, requests: mpsc::Sender<Request>) -> Self {
        let now = clock::now();
        Self {
            log,
            requests,
            started: now.wall,
            began: now.mono,
            socket: setup.socket.path().to_owned(),
            state: setup.state.clone(),
            config: setup.config.file.clone(),
            log_file: setup.log_file.clone(),
            defaults: Arc::new(RwLock::new(setup.config.defaults.clone())),
        }
    }
}

fn stopping() -> ApiError {
    ApiError::new(ErrorKind::NoDaemon, "fsmond is stopping").hint("start it again, then repeat the command")
}

/// A service manager has to know that the stop is meant, or its idea of the service is wrong.
fn managed() -> ApiError {
    ApiError::refused("a service manager runs this fsmond and is the one to stop it")
        .hint("under systemd: systemctl stop fsmond.service fsmond.socket, or systemctl --user stop fsmond")
}

impl DaemonControl {
    /// The defaults, to be replaced when the config is read again.
    pub fn defaults(&self) -> Defaults {
        Arc::clone(&self.defaults)
    }
}

impl Control for DaemonControl {
    fn reload(&self) -> BoxFuture<'_, Reply<Reloaded>> {
        async move {
            let (reply, answer) = oneshot::channel();
            self.requests.send(Request::Reload(reply)).await.map_err(|_| stopping())?;
            answer.await.map_err(|_| stopping())?
        }
        .boxed()
    }

    fn stop(&self) -> BoxFuture<'_, Reply<()>> {
        async move {
            if notify::wanted() {
                return Err(managed());
            }
            self.requests.send(Request::Stop).await.map_err(|_| stopping())
        }
        .boxed()
    }

    fn later_stamp(&self) -> BoxFuture<'_, ()> {
        clock::later_stamp().boxed()
    }

    fn check_command(&self, root: &Path, given: &Options) -> Reply<()> {
        let defaults = self.defaults.read().unwrap_or_else(PoisonError::into_inner).clone();
        let rules = Rules::from_options(&given.clone().or(&defaults));
        rules.check()?;
        let Rules { command, run_as, .. } = rules;
        let refused = |why: String| ApiError::refused(why);
        match run_as {
            Some(run_as) => Account::find(&run_as).map(drop).map_err(refused),
            None if !command.is_empty() && trust::matters() && root.exists() => {
                trust::check_place(root, Path::new("")).map_err(refused)
            }
            None => Ok(()),
        }
    }

    fn doubts(&self, root: &Path, rules: &Rules) -> Vec<String> {
        runner::doubt(root, rules).into_iter().collect()
    }

    fn examine(&self, watches: &[WatchStatus], failed: &[RunOutput], counters: &Counters) -> Vec<Finding> {
        super::doctor::examine(&self.state, watches, failed, counters, clock::now().wall)
    }

    fn log_level(&self, level: &str) -> Reply<()> {
        let before = self.log.level();
        self.log.set_level(level).map_err(|e| ApiError::usage(e.to_string()))?;
        info!(%before, now = level, "log level changed");
        Ok(())
    }

    fn facts(&self) -> DaemonFacts {
        DaemonFacts {
            started: self.started,
            uptime: Span(Duration::from_nanos(clock::mono().saturating_sub(self.began))),
            socket: self.socket.clone(),
            state_dir: self.state.clone(),
            config: self.config.clone(),
            log_file: Some(self.log_file.clone()),
            log_level: self.log.level().to_string(),
            log_lines_dropped: self.log.dropped(),
        }
    }
}
