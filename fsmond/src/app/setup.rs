//! Everything before the first thread: where things are, the config, who may run.
//!
//! Nothing is started here and nothing is changed but that the state folder is made and locked. What fails here is
//! told where the program was called.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use fsmon_core::filter::Filter;
use fsmon_core::io::Settings;
use fsmon_core::plan::Plan;
use fsmon_core::template;
use fsmon_protocol::rpc::places::{self, ConfigFile, DaemonSocket, Env, Given};
use fsmon_protocol::spec::{Options, Rules};
use fsmon_protocol::{ApiError, RawPath};

use super::failure::Failure;
use super::{activation, define};
use crate::args::{self, Args};
use crate::host::config::{Config, ConfigError};
use crate::host::lock::{Lock, make_socket_folder};
use crate::host::{log, zone};
use crate::rpc::look_at;

/// What the command line asks for.
pub enum Asked {
    /// It is done already.
    Nothing,
    /// A daemon.
    Daemon(Box<Setup>),
}

/// What a daemon starts with.
pub struct Setup {
    /// The command line, paths absolute.
    pub args: Args,
    /// What `--watch` asks for, its path as it will be that of the watch.
    pub one_watch: Option<OneWatch>,
    /// The state folder, made and locked.
    pub state: PathBuf,
    /// Where the daemon listens.
    pub socket: Socket,
    /// Where the config is.
    pub config_file: ConfigFile,
    /// The config.
    pub config: Config,
    /// The log file.
    pub log_file: PathBuf,
    /// The lock on the state folder, held as long as anything is written there.
    pub state_lock: Lock,
}

/// `--watch DIR -- COMMAND`.
#[derive(Debug, Clone)]
pub struct OneWatch {
    /// DIR, absolute.
    pub path: String,
    /// The command; empty for none.
    pub command: Vec<String>,
}

/// Where the daemon listens.
pub enum Socket {
    /// It makes this one; nobody else may, as long as it holds the lock.
    Make(PathBuf, Lock),
    /// The service manager made it.
    Given(activation::Given),
}

impl Socket {
    /// Its path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Make(path, _) => path,
            Self::Given(given) => given.path(),
        }
    }
}

/// Reads the command line's wishes, the config, and takes the locks.
pub fn prepare(args: Args) -> Result<Asked, Failure> {
    if args.man_page {
        let printed = args::man_page().and_then(|page| std::io::stdout().write_all(&page));
        return printed.map(|()| Asked::Nothing).map_err(|e| Failure::because("the manual can't be printed", &e));
    }
    let args = args.absolute().map_err(|e| Failure::because("the current folder can't be told", &e))?;
    let env = Env::of_process(Given {
        socket: args.socket.clone(),
        state_dir: args.state_dir.clone(),
        config: args.config.clone(),
        log_file: args.log_file.clone(),
        daemon: None,
    });
    let config_file = match (&args.watch, &args.config) {
        // The whole job in one line: only a config that was named is read.
        (Some(_), None) => ConfigFile::None,
        _ => places::config_file(&env),
    };
    let config = load_config(&config_file, args.watch.is_some())?;
    if args.check_config {
        let shown = config.file.as_deref().map_or_else(|| "no config".to_owned(), |f| RawPath::from(f).to_string());
        // Whoever closed stdout has the exit code.
        let _ = writeln!(std::io::stdout(), "{shown}: good, {} watches", config.watches.len());
        return Ok(Asked::Nothing);
    }
    let one_watch = args.watch.as_deref().map(|dir| one_watch(dir, &args.command)).transpose()?;
    let state = match &one_watch {
        Some(one) => places::one_watch_state_dir(&places::state_dir(&env)?, Path::new(&one.path)),
        None => places::state_dir(&env)?,
    };
    let state_lock = Lock::state(&state, args.allow_network_state).map_err(Failure::of)?;
    let socket = socket(&env, &args, &config, &state)?;
    let log_file = if args.watch.is_some() && args.log_file.is_none() && config.daemon.log_file.is_none() {
        state.join("log").join(places::LOG_NAME)
    } else {
        places::log_file(&env, config.daemon.log_file.as_deref(), &state)
    };
    Ok(Asked::Daemon(Box::new(Setup { args, one_watch, state, socket, config_file, config, log_file, state_lock })))
}

fn one_watch(dir: &Path, command: &[String]) -> Result<OneWatch, Failure> {
    let text = dir.to_str().ok_or_else(|| {
        Failure::from(ApiError::usage(format!("the path {} is not UTF-8, which --watch needs", RawPath::from(dir))))
    })?;
    let place = look_at(text, false).map_err(|mut error| {
        // The hint would be for `fsmonctl add`.
        error.hint = None;
        Failure::from(error)
    })?;
    let rules = Rules::from_options(&Options { command: Some(command.to_vec()), ..Options::default() });
    rules.check().and_then(|()| check_rules(&rules))?;
    Ok(OneWatch { path: place.path, command: command.to_vec() })
}

fn socket(env: &Env, args: &Args, config: &Config, state: &Path) -> Result<Socket, Failure> {
    let found = match (&args.watch, &args.socket) {
        (Some(_), None) => {
            let own = state.join("fsmond.sock");
            places::check_socket_path(&own)?;
            DaemonSocket::Bind(own)
        }
        _ => places::daemon_socket(env, config.daemon.socket.as_deref())?,
    };
    match found {
        DaemonSocket::Activated => Ok(Socket::Given(activation::take()?)),
        DaemonSocket::Bind(path) => {
            make_socket_folder(&path).map_err(Failure::of)?;
            let mut beside = path.clone().into_os_string();
            beside.push(".lock");
            let lock = Lock::file(Path::new(&beside)).map_err(Failure::of)?;
            Ok(Socket::Make(path, lock))
        }
    }
}

/// Reads and checks the config. Of one that is read for `--watch` only the settings count, not its watches.
pub fn load_config(file: &ConfigFile, one_watch: bool) -> Result<Config, ConfigError> {
    let mut config = match file {
        ConfigFile::Named(path) => Config::load(path, true, &check_rules)?,
        ConfigFile::Usual(path) => Config::load(path, false, &check_rules)?,
        ConfigFile::None => Config::default(),
    };
    if one_watch {
        config.watches.clear();
    }
    config.watches = config.watches.into_iter().map(define::plain).collect();
    Ok(config)
}

/// What only the core can say about rules: whether it understands their globs and their command.
pub fn check_rules(rules: &Rules) -> Result<(), ApiError> {
    template::check_command(rules)?;
    Plan::new(rules)?;
    fsmon_core::lanes::pattern(rules)?;
    Filter::new(rules).map(drop)
}

/// What the core takes from a config.
pub fn settings_of(config: &Config) -> Settings {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let max_runs = config.daemon.max_runs.unwrap_or_else(|| u32::try_from(cpus).unwrap_or(1));
    let mut defaults = config.defaults.clone();
    defaults.tz.get_or_insert_with(zone::local);
    Settings { defaults, max_runs }
}

impl Setup {
    /// Writes this process's number into the locks: the background has another one.
    pub fn sign_locks(&self) -> Result<(), Failure> {
        let signed = match &self.socket {
            Socket::Make(_, lock) => self.state_lock.sign().and_then(|()| lock.sign()),
            Socket::Given(_) => self.state_lock.sign(),
        };
        signed.map_err(|e| Failure::because("can't write the lock", &e))
    }

    /// How much is logged, where the command line and the config leave it open: with `--watch` all that happens is on
    /// stdout already, so stderr gets only what went wrong.
    pub const fn usual_level(&self) -> log::Level {
        if self.one_watch.is_some() { log::Level::Warn } else { log::Level::Info }
    }

    /// What is logged, and where to.
    pub fn log_settings(&self) -> log::Settings {
        let daemon = &self.config.daemon;
        let usual = log::Rotation::default();
        let rotation = log::Rotation {
            max_size: daemon.log_max_size.map_or(usual.max_size, |size| size.0),
            keep: daemon.log_keep.unwrap_or(usual.keep),
            ..usual
        };
        log::Settings {
            level: self.args.log_level.or(daemon.log_level).unwrap_or(self.usual_level()),
            format: self.args.log_format.or(daemon.log_format).unwrap_or_default(),
            console: self.args.stays(),
            file: Some(log::FileSettings { path: self.log_file.clone(), rotation }),
        }
    }

    /// What tells this daemon's commands from those of another one on the same machine: the identity of its state
    /// folder, which is the same under every name. Processes do not outlive a boot, so the device may be in it.
    pub fn daemon_id(&self) -> Result<String, Failure> {
        use std::os::unix::fs::MetadataExt;
        let facts = File::open(&self.state).and_then(|folder| folder.metadata());
        let facts = facts.map_err(|e| Failure::because("the state folder can't be looked at", &e))?;
        Ok(format!("{:x}-{:x}", facts.dev(), facts.ino()))
    }
}
