//! Where things are: the one rule for socket, state, config and log, used by both programs.
//!
//! Pure: everything it depends on is in [`Env`], so that the rule can be tested as a table. It opens, makes and
//! changes nothing. In short, for each place: what the command line says, then `FSMON_…`, then the service manager,
//! then the fixed places of root, or those of the XDG base directory specification for everyone else.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{ApiError, ErrorKind};
use crate::path::RawPath;

/// The system daemon's socket. `/run` is a folder of Linux.
pub const SYSTEM_SOCKET: &str =
    if cfg!(target_os = "linux") { "/run/fsmond/fsmond.sock" } else { "/var/run/fsmond/fsmond.sock" };
/// The system daemon's state folder.
pub const SYSTEM_STATE: &str = if cfg!(target_os = "linux") { "/var/lib/fsmond" } else { "/var/db/fsmond" };
/// The system daemon's config file.
pub const SYSTEM_CONFIG: &str = "/etc/fsmond/fsmond.toml";
/// Name of the log file in its folder.
pub const LOG_NAME: &str = "filesystem_monitor.log";
/// Name of the config file in its folder.
const CONFIG_NAME: &str = "fsmond.toml";
/// Name of the socket in its folder.
const SOCKET_NAME: &str = "fsmond.sock";

/// Bytes that a socket's path can have: `sun_path` of `sockaddr_un` less its closing NUL.
pub const LONGEST_SOCKET_PATH: usize = if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };

/// The variables that the rule reads.
const VARIABLES: [&str; 12] = [
    "FSMON_SOCKET",
    "FSMON_STATE_DIR",
    "FSMON_CONFIG",
    "STATE_DIRECTORY",
    "LOGS_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "LISTEN_FDS",
    "LISTEN_PID",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
];

/// What the command line said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// `--socket`
    pub socket: Option<PathBuf>,
    /// `--state-dir`
    pub state_dir: Option<PathBuf>,
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--log-file`
    pub log_file: Option<PathBuf>,
    /// `--user` or `--system`
    pub daemon: Option<Which>,
}

/// Which of the daemons on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The caller's own: `--user`.
    User,
    /// The machine's: `--system`.
    System,
}

/// Everything the rule depends on.
pub struct Env {
    /// What the command line said.
    pub given: Given,
    /// Environment variables by name; an empty one counts as not set.
    pub vars: HashMap<String, OsString>,
    /// The effective user.
    pub uid: u32,
    /// This process, for telling whether `LISTEN_FDS` is meant for it.
    pub pid: u32,
    /// What relative paths are relative to.
    pub cwd: PathBuf,
    /// The user's home folder, where there is one.
    pub home: Option<PathBuf>,
    /// Whether something is at a path.
    pub exists: Box<dyn Fn(&Path) -> bool + Send + Sync>,
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("given", &self.given)
            .field("vars", &self.vars)
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

impl Env {
    /// What this process sees. Without `HOME`, the home folder comes from the user database.
    pub fn of_process(given: Given) -> Self {
        let vars = VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?))).collect();
        let uid = rustix::process::geteuid();
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute()).or_else(|| {
            nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid.as_raw())).ok().flatten().map(|user| user.dir)
        });
        Self {
            given,
            vars,
            uid: uid.as_raw(),
            pid: std::process::id(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            home,
            exists: Box::new(Path::exists),
        }
    }

    fn is_root(&self) -> bool {
        self.uid == 0
    }

    fn var(&self, name: &str) -> Option<&OsString> {
        self.vars.get(name).filter(|value| !value.is_empty())
    }

    /// A path that a person gave: relative to where they stand.
    fn absolute(&self, path: &Path) -> PathBuf {
        self.cwd.join(path)
    }

    /// What the command line or else our own variable says.
    fn named(&self, given: Option<&PathBuf>, variable: &str) -> Option<PathBuf> {
        given.map(|path| self.absolute(path)).or_else(|| self.var(variable).map(|path| self.absolute(Path::new(path))))
    }

    /// A folder from the service manager, which may list several with colons between: the first.
    fn managed(&self, variable: &str) -> Option<PathBuf> {
        let first = self.var(variable)?.as_bytes().split(|byte| *byte == b':').next()?.to_vec();
        Some(PathBuf::from(OsString::from_vec(first))).filter(|path| path.is_absolute())
    }

    /// A base folder of the XDG specification, which says that a relative one is to be ignored.
    fn xdg(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        self.var(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| self.home.as_ref().map(|home| home.join(below_home)))
    }
}

/// The state folder. An error only for a user without a home folder who names none.
pub fn state_dir(env: &Env) -> Result<PathBuf, ApiError> {
    if let Some(named) = env.named(env.given.state_dir.as_ref(), "FSMON_STATE_DIR") {
        return Ok(named);
    }
    if let Some(managed) = env.managed("STATE_DIRECTORY") {
        return Ok(managed);
    }
    if env.is_root() {
        return Ok(PathBuf::from(SYSTEM_STATE));
    }
    env.xdg("XDG_STATE_HOME", ".local/state").map(|base| base.join("fsmond")).ok_or_else(|| {
        ApiError::usage(format!("user {} has no home folder, so there is no usual place for the state", env.uid))
            .hint("name one with --state-dir or FSMON_STATE_DIR")
    })
}

/// The state folder of `fsmond --watch ROOT`, below the usual one: the same for the same `root` at every start, so that
/// its ledger goes on. `root` has to be absolute.
pub fn one_watch_state_dir(state: &Path, root: &Path) -> PathBuf {
    // FNV-1a with 64 bits: short, since a socket's path has to fit, and the same in every version.
    let hash = root
        .as_os_str()
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    state.join("watch").join(format!("{hash:016x}"))
}

/// The config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigFile {
    /// A person named it: it has to be there.
    Named(PathBuf),
    /// The usual place: none there is fine.
    Usual(PathBuf),
    /// There is not even a usual place: a user without a home folder.
    None,
}

/// The config file.
pub fn config_file(env: &Env) -> ConfigFile {
    if let Some(named) = env.named(env.given.config.as_ref(), "FSMON_CONFIG") {
        return ConfigFile::Named(named);
    }
    if let Some(managed) = env.managed("CONFIGURATION_DIRECTORY") {
        return ConfigFile::Usual(managed.join(CONFIG_NAME));
    }
    if env.is_root() {
        return ConfigFile::Usual(PathBuf::from(SYSTEM_CONFIG));
    }
    env.xdg("XDG_CONFIG_HOME", ".config")
        .map_or(ConfigFile::None, |base| ConfigFile::Usual(base.join("fsmond").join(CONFIG_NAME)))
}

/// The log file; `from_config` is what the config says, `state` the state folder.
pub fn log_file(env: &Env, from_config: Option<&Path>, state: &Path) -> PathBuf {
    if let Some(named) = env.given.log_file.as_deref().or(from_config) {
        return env.absolute(named);
    }
    env.managed("LOGS_DIRECTORY").unwrap_or_else(|| state.join("log")).join(LOG_NAME)
}

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaemonSocket {
    /// It makes this socket itself.
    Bind(PathBuf),
    /// The service manager hands over a socket, which keeps its path and is never removed.
    Activated,
}

/// Where the daemon listens; `from_config` is what the config says. A client does not read the config: with a socket
/// named only there it needs `--socket` or `FSMON_SOCKET`.
pub fn daemon_socket(env: &Env, from_config: Option<&Path>) -> Result<DaemonSocket, ApiError> {
    let bind = |path: PathBuf| check_socket_path(&path).map(|()| DaemonSocket::Bind(path));
    if let Some(named) = env.named(env.given.socket.as_ref(), "FSMON_SOCKET") {
        return bind(named);
    }
    if is_activated(env) {
        return Ok(DaemonSocket::Activated);
    }
    if let Some(named) = from_config {
        return bind(env.absolute(named));
    }
    if env.is_root() {
        return bind(PathBuf::from(SYSTEM_SOCKET));
    }
    match runtime_sockets(env).into_iter().next() {
        Some(path) => bind(path),
        None => bind(state_dir(env)?.join(SOCKET_NAME)),
    }
}

/// Whether the service manager hands sockets to this very process, as `sd_listen_fds(3)` defines it.
fn is_activated(env: &Env) -> bool {
    let number = |name| env.var(name).and_then(|value| value.to_str()).and_then(|text| text.parse::<u32>().ok());
    number("LISTEN_PID") == Some(env.pid) && number("LISTEN_FDS").is_some_and(|fds| fds > 0)
}

/// The sockets that a user's daemon can have in folders for run time, the first choice first: that of the service
/// manager, which is there for the service alone, then those of the user.
fn runtime_sockets(env: &Env) -> Vec<PathBuf> {
    let managed = env.managed("RUNTIME_DIRECTORY");
    let from_xdg = env.var("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let by_uid = Some(PathBuf::from(format!("/run/user/{}", env.uid))).filter(|path| (env.exists)(path));
    let mut sockets: Vec<_> =
        managed.into_iter().chain(from_xdg).chain(by_uid).map(|folder| folder.join(SOCKET_NAME)).collect();
    sockets.dedup();
    sockets
}

/// Where a client looks for a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientSockets {
    /// A person said which one: only this.
    Named(PathBuf),
    /// The caller's own daemon may be at any of these, first choice first; nothing tells of a system daemon. Where
    /// none of them is there, it is the one place where it would be.
    User(Vec<PathBuf>),
    /// The caller has no daemon of their own, and there is a system daemon.
    OnlySystem(PathBuf),
    /// The caller's own daemon seems to be at one of these, and there is a system daemon too.
    Both {
        /// Where the caller's own may be, first choice first.
        user: Vec<PathBuf>,
        /// The system daemon's.
        system: PathBuf,
    },
}

impl ClientSockets {
    /// For verbs that only look: the sockets to try, in this order, going on where no daemon answers.
    pub fn to_look(&self) -> Vec<&Path> {
        match self {
            Self::Named(path) | Self::OnlySystem(path) => vec![path],
            Self::User(user) => user.iter().map(PathBuf::as_path).collect(),
            Self::Both { user, system } => user.iter().chain([system]).map(PathBuf::as_path).collect(),
        }
    }

    /// For verbs that change something: the sockets to try, or a refusal where it must be said which daemon is meant.
    pub fn to_change(&self) -> Result<Vec<&Path>, ApiError> {
        match self {
            Self::Named(_) | Self::User(_) => Ok(self.to_look()),
            Self::OnlySystem(_) => Err(ApiError::new(
                ErrorKind::NoDaemon,
                "you have no fsmond of your own running, and the system's is only changed if you say so",
            )
            .hint("repeat it with --system, or start your own with: fsmond --foreground")),
            Self::Both { .. } => Err(ApiError::usage("there are two daemons, your own and the system's")
                .hint("say which one is meant: --user or --system")),
        }
    }
}

/// Where a client looks for a daemon. An option beats the environment.
pub fn client_sockets(env: &Env) -> Result<ClientSockets, ApiError> {
    if let Some(given) = &env.given.socket {
        return Ok(ClientSockets::Named(env.absolute(given)));
    }
    let system = PathBuf::from(SYSTEM_SOCKET);
    match env.given.daemon {
        Some(Which::System) => return Ok(ClientSockets::Named(system)),
        // Root's own daemon is the system's.
        Some(Which::User) if env.is_root() => return Ok(ClientSockets::Named(system)),
        Some(Which::User) => return user_sockets(env).map(|(user, _)| ClientSockets::User(user)),
        None => {}
    }
    if let Some(named) = env.var("FSMON_SOCKET") {
        return Ok(ClientSockets::Named(env.absolute(Path::new(named))));
    }
    if env.is_root() {
        return Ok(ClientSockets::Named(system));
    }
    let there = (env.exists)(&system);
    match user_sockets(env) {
        Ok((user, true)) if there => Ok(ClientSockets::Both { user, system }),
        Ok((_, false)) | Err(_) if there => Ok(ClientSockets::OnlySystem(system)),
        Ok((user, _)) => Ok(ClientSockets::User(user)),
        Err(error) => Err(error),
    }
}

/// The sockets of the caller's own daemon that are there; where none is, the one that a daemon started now would make.
/// A daemon that was started without a folder for run time keeps its socket in the state folder, so that is looked at
/// too. Says whether any is there.
fn user_sockets(env: &Env) -> Result<(Vec<PathBuf>, bool), ApiError> {
    let mut candidates = runtime_sockets(env);
    match state_dir(env) {
        Ok(state) => candidates.push(state.join(SOCKET_NAME)),
        Err(error) if candidates.is_empty() => return Err(error),
        Err(_) => {}
    }
    let there: Vec<_> = candidates.iter().filter(|path| (env.exists)(path)).cloned().collect();
    if there.is_empty() {
        candidates.truncate(1);
        return Ok((candidates, false));
    }
    Ok((there, true))
}

/// Refuses a path that does not fit into a socket's address, with its length.
pub fn check_socket_path(path: &Path) -> Result<(), ApiError> {
    let length = path.as_os_str().len();
    if length <= LONGEST_SOCKET_PATH {
        return Ok(());
    }
    Err(ApiError::usage(format!(
        "the socket's path has {length} bytes, and the system allows {LONGEST_SOCKET_PATH}: {}",
        RawPath::from(path)
    ))
    .hint("choose a shorter one with --socket or FSMON_SOCKET"))
}

#[cfg(test)]
mod tests;
