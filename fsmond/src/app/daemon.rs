//! The daemon at work: its pieces are started in order, it waits for what is asked of it, and ends them in order.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use fsmon_core::io::{Answer, Command, RunRow};
use fsmon_core::{Effect, Input};
use fsmon_protocol::event::ServiceStatus;
use fsmon_protocol::rpc::places::check_socket_path;
use fsmon_protocol::spec::{Options, WatchSpec};
use fsmon_protocol::status::{DefinedBy, WatchStatus};
use fsmon_protocol::{ApiError, RawPath};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::control::{DaemonControl, REQUESTS, Request};
use super::define::{self, Defined};
use super::failure::{Failure, sentence};
use super::printer::Printer;
use super::reload::Reloader;
use super::restore::Restored;
use super::roles::{grants_of, warn_of_closed_socket};
use super::setup::{OneWatch, Setup, Socket};
use crate::edges::{HintRing, History, Inbox, Results};
use crate::engine::{self, Edges, EngineFailed, EngineHandle, EngineTask, Intake, NOBODY, Process};
use crate::host::config::Config;
use crate::host::lock::Lock;
use crate::host::log::LogHandle;
use crate::host::signals::{Asked, Signals};
use crate::host::user::Me;
use crate::host::{clock, memory};
use crate::rpc::{self, Access, Bound, Limits, Roles, Server};
use crate::runner::{Runner, RunnerOptions, leftovers};
use crate::store::Storing;
use crate::watch::{OwnFiles, Reading, Surveyor, Watching};

/// How long processes that an earlier daemon left have to end by themselves.
const LEFTOVER_GRACE: Duration = Duration::from_secs(10);

/// What is made before the daemon and goes into it.
pub struct Doors {
    /// To the engine: answers.
    pub inbox: Inbox,
    pub results: Results,
    /// To the engine: hints.
    pub hints: HintRing,
    /// The engine's ends of both.
    pub intake: Intake,
    /// fsmond's own files.
    pub own: OwnFiles,
    /// The log.
    pub log: LogHandle,
    /// Signals.
    pub signals: Signals,
}

/// The running daemon.
pub struct Daemon {
    pub(super) engine: EngineHandle,
    pub(super) task: EngineTask<Watching, Storing, Runner>,
    pub(super) runner: Runner,
    pub(super) signals: Signals,
    pub(super) stop: CancellationToken,
    pub(super) serving: JoinHandle<()>,
    pub(super) printer: Option<Printer>,
    pub(super) bound: Option<Bound<Lock>>,
    pub(super) state_lock: Lock,
    requests: mpsc::Receiver<Request>,
    fatal: oneshot::Receiver<String>,
    reloader: Reloader,
    history: Arc<dyn History>,
    log: LogHandle,
}

/// Why the daemon stops.
pub enum Why {
    /// Somebody wants it.
    Asked(&'static str),
    /// Nothing can be stored any more.
    Store(String),
    /// The engine ended by itself; what it left.
    Engine(Option<Edges<Watching, Storing, Runner>>, EngineFailed),
}

impl Daemon {
    /// Starts all pieces. When it returns the daemon is ready: the store is open, the socket listens, first scans
    /// have begun.
    pub async fn start(setup: Setup, restored: Restored, doors: Doors) -> Result<Self, Failure> {
        let Doors { inbox, results, hints, intake, own, log, signals } = doors;
        let Restored { mut machine, store, lost, mut first, new, next_seq, clean } = restored;
        let daemon_id = setup.daemon_id()?;
        let roles = Arc::new(Roles::new(Me::ask().uid, grants_of(&setup.config.daemon)));
        let (to_requests, requests) = mpsc::channel(REQUESTS);
        let control = DaemonControl::new(&setup, log.clone(), to_requests);
        let mut reloader = Reloader::new(&setup, Arc::clone(&roles), control.defaults());
        let shown = Shown::of(&setup);
        let one_watch = setup.one_watch.clone();
        register_own(&own, &setup);
        let (state_lock, (listener, bound)) = (setup.state_lock, listen(setup.socket, &setup.config, &own)?);
        end_leftovers(&daemon_id, &lost, clean).await;
        let options = RunnerOptions::new(store.output_folder().to_owned(), daemon_id);
        let runner = Runner::start(inbox.clone(), results, options)
            .map_err(|e| Failure::because("commands can't be run", &e))?;
        let folders = Arc::new(Reading::new(own.clone()));
        let survey = Arc::new(Surveyor::new(own.clone()));
        let watching = Watching::start(inbox, hints, own);
        let (to_fatal, fatal) = oneshot::channel();
        let (storing, reader) = store.start(to_fatal).map_err(Failure::of)?;
        let now = clock::now();
        let started = Box::new(Command::Service(ServiceStatus::Started));
        machine.step(now, Input::Command(NOBODY, started), &mut first);
        machine.start(now, &lost, &mut first);
        let last_seq = next_seq.saturating_sub(1);
        let edges = Edges { watch: watching, store: storing, runner: runner.clone() };
        let (engine, task) = start_engine(machine, edges, intake, last_seq, first);
        let printer = match &one_watch {
            Some(_) => Some(Printer::start(&engine, reader.clone(), last_seq)?),
            None => None,
        };
        add_new(&engine, new, &mut reloader).await;
        if let Some(one) = one_watch {
            see_to(&engine, one).await?;
        }
        let stop = CancellationToken::new();
        let history: Arc<dyn History> = Arc::new(reader);
        let server = Server {
            engine: engine.clone(),
            history: Arc::clone(&history),
            folders,
            survey,
            control: Arc::new(control),
            roles,
            stop: stop.clone(),
        };
        let serving = tokio::spawn(rpc::serve(listener, Arc::new(server), Limits::default()));
        shown.say();
        Ok(Self {
            engine,
            task,
            runner,
            signals,
            stop,
            serving,
            printer,
            bound,
            state_lock,
            requests,
            fatal,
            reloader,
            history,
            log,
        })
    }

    /// The way in to its engine.
    pub fn engine(&self) -> EngineHandle {
        self.engine.clone()
    }

    /// Works until it is to stop, and stops. Gives the code to end with.
    pub async fn run(mut self) -> u8 {
        let why = self.work().await;
        super::stop::stop(self, why).await
    }

    async fn work(&mut self) -> Why {
        loop {
            tokio::select! {
                asked = self.signals.next() => match asked {
                    Asked::Stop | Asked::StopNow => return Why::Asked("signal"),
                    Asked::Reload => {
                        // Whatever went wrong is in the log.
                        let _ = self.reloader.reload(&self.engine, &*self.history, &self.log).await;
                    }
                },
                Some(request) = self.requests.recv() => match request {
                    Request::Stop => return Why::Asked("fsmonctl stop"),
                    Request::Reload(reply) => {
                        let answer = self.reloader.reload(&self.engine, &*self.history, &self.log).await;
                        // Whoever asked may have gone meanwhile.
                        drop(reply.send(answer));
                    }
                },
                Ok(why) = &mut self.fatal => return Why::Store(why),
                (edges, result) = self.task.ended() => {
                    let failed = result.err().unwrap_or_else(EngineFailed::without_a_word);
                    return Why::Engine(edges, failed);
                }
                error = closed(&mut self.printer) => {
                    info!(%error, "stdout takes no more");
                    self.printer = None;
                    return Why::Asked("stdout closed");
                }
            }
        }
    }
}

async fn closed(printer: &mut Option<Printer>) -> std::io::Error {
    match printer {
        Some(printer) => printer.closed().await,
        None => std::future::pending().await,
    }
}

fn start_engine(
    machine: fsmon_core::Machine,
    edges: Edges<Watching, Storing, Runner>,
    intake: Intake,
    last_seq: u64,
    first: Vec<Effect>,
) -> (EngineHandle, EngineTask<Watching, Storing, Runner>) {
    let process = Process { clock: Box::new(clock::now), give_back: memory::give_back_now };
    engine::start(machine, edges, intake, process, last_seq, first)
}

/// What fsmond writes by itself must never wake it. The log file registers itself.
fn register_own(own: &OwnFiles, setup: &Setup) {
    if let Err(error) = own.register(&setup.state) {
        warn!(%error, "the state folder can't be told from files to watch");
    }
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    for (name, result) in [
        ("stdout", (!stdout.is_terminal()).then(|| own.register_fd("stdout", &stdout))),
        ("stderr", (!stderr.is_terminal()).then(|| own.register_fd("stderr", &stderr))),
    ] {
        if let Some(Err(error)) = result {
            warn!(%error, "{name} can't be told from files to watch");
        }
    }
}

/// Makes the socket, or takes the one that was handed over.
fn listen(socket: Socket, config: &Config, own: &OwnFiles) -> Result<(UnixListener, Option<Bound<Lock>>), Failure> {
    let failed = |error: std::io::Error| Failure::because("the socket can't be used", &error);
    match socket {
        Socket::Given(given) => Ok((UnixListener::from_std(given.into_listener()).map_err(failed)?, None)),
        Socket::Make(path, lock) => {
            check_socket_path(&path)?;
            let (listener, bound) = rpc::bind(&path, access_of(config)?, |_| Ok(lock))?;
            warn_of_closed_socket(&config.daemon, &path);
            for file in [path.clone(), lock_of(&path)] {
                if let Err(error) = own.register(&file) {
                    warn!(%error, "the socket can't be told from files to watch");
                }
            }
            Ok((listener, Some(bound)))
        }
    }
}

/// Who may connect, as the config says.
fn access_of(config: &Config) -> Result<Access, ApiError> {
    let mode = config.daemon.socket_mode.map_or(0o600, |mode| mode.0);
    let group = match &config.daemon.socket_group {
        None => None,
        Some(group) => Some(group.number().ok_or_else(|| {
            ApiError::refused(format!("socket-group of the config names '{}', which is no group here", group.shown()))
                .hint("make the group first, or name another")
        })?),
    };
    Ok(Access { mode, group })
}

fn lock_of(socket: &std::path::Path) -> std::path::PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Ends what commands and workers of an earlier daemon left behind, before any of their files runs again. One that ended
/// cleanly has left none.
async fn end_leftovers(daemon_id: &str, lost: &[RunRow], clean: bool) {
    if !clean {
        match leftovers::end_workers(daemon_id, LEFTOVER_GRACE).await {
            Err(why) => warn!("{why}"),
            Ok((workers, true)) if workers.is_empty() => {}
            Ok((workers, true)) => warn!(processes = ?workers, "workers of the last fsmond were ended"),
            Ok((workers, false)) => error!(processes = ?workers, "workers of the last fsmond can't be ended"),
        }
    }
    if lost.is_empty() {
        return;
    }
    warn!(runs = lost.len(), "the last fsmond ended while commands were running; their files are run again");
    let runs: Vec<_> = lost.iter().map(|row| (row.run, row.event_id.clone())).collect();
    match leftovers::end_leftovers(daemon_id, &runs, LEFTOVER_GRACE).await {
        Err(why) => warn!("{why}"),
        Ok(found) => {
            for left in found {
                if left.gone {
                    warn!(run = left.run, processes = ?left.processes, "what that run had left behind was ended");
                } else {
                    error!(run = left.run, processes = ?left.processes, "what that run left behind can't be ended");
                }
            }
        }
    }
}

/// Adds what is defined and was not known.
async fn add_new(engine: &EngineHandle, new: Vec<Defined>, reloader: &mut Reloader) {
    for defined in new {
        let (name, by) = (defined.spec.name.clone(), defined.by);
        if let Err(why) = define::add(engine, defined).await {
            error!("watch '{name}' cannot be added: {}", sentence(&why));
            if by == DefinedBy::Config {
                reloader.not_taken(&name);
            }
        }
    }
}

/// Sees to it that the one watch of `--watch` is there, with this command.
async fn see_to(engine: &EngineHandle, one: OneWatch) -> Result<(), ApiError> {
    let options = Options { command: Some(one.command.clone()), ..Options::default() };
    let there = match engine.command(Command::Show(Vec::new())).await? {
        Answer::Watches(watches) => watches.into_iter().find(|watch: &WatchStatus| watch.path == one.path),
        _ => None,
    };
    match there {
        Some(watch) if watch.rules.command == one.command => Ok(()),
        Some(watch) => engine
            .command(Command::Set { watch: watch.name, options, unset: Vec::new(), by: DefinedBy::Runtime })
            .await
            .map(drop),
        None => {
            let spec = WatchSpec { name: String::new(), path: one.path, options };
            define::add(engine, Defined { spec, by: DefinedBy::Runtime }).await
        }
    }
}

/// What is said when the daemon is ready.
struct Shown {
    socket: String,
    state: String,
    one: Option<String>,
}

impl Shown {
    fn of(setup: &Setup) -> Self {
        Self {
            socket: RawPath::from(setup.socket.path()).to_string(),
            state: RawPath::from(setup.state.as_path()).to_string(),
            one: setup.one_watch.as_ref().map(|one| RawPath::from(one.path.as_str()).to_string()),
        }
    }

    fn say(&self) {
        let Self { socket, state, one } = self;
        info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), %socket, %state, "fsmond has started");
        if let Some(one) = one {
            // Whoever closed stderr does not want to know.
            let _ = writeln!(
                std::io::stderr(),
                "fsmond: watching {one}; Ctrl-C ends it; steer it with: fsmonctl --socket '{socket}' status"
            );
        }
    }
}
