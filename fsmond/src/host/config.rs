//! The config file, `fsmond.toml`: read, checked completely, and compared with the one before.
//!
//! A config is taken whole or not at all. Every fault is told with file, line and key, all of them at once. Here it is
//! never decided what a watch does: globs and command templates are understood by the core, whose check the caller
//! hands in; nothing here looks at the roots of watches.
//!
//! Keys may be written with `-` or `_`: `log-level` and `log_level` are the same key. Paths are absolute; `~` and
//! variables are not expanded.

mod diff;
mod error;
mod known;
mod principal;
mod table;
mod watch;

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fsmon_protocol::spec::{Options, Rules, WatchSpec};
use fsmon_protocol::{ApiError, Size};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use diff::Diff;
pub use error::{ConfigError, Problem};
pub use principal::{GroupName, Principal, user_number};
use table::{Problems, absolute};

use super::log::{Format, Level, Rotation};
use super::ownership;

/// A larger config is refused: it is something else.
const LARGEST: u64 = 4 << 20;

/// What the core says about globs and command templates. Called for every option by itself, so that a fault has its
/// line, and once for each watch as a whole.
pub type Check<'a> = &'a dyn Fn(&Rules) -> Result<(), ApiError>;

/// A config, read and checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from; none where there is no config.
    pub file: Option<PathBuf>,
    /// `[daemon]`.
    pub daemon: Daemon,
    /// `[defaults]`: what a watch takes where it gives no option itself.
    pub defaults: Options,
    /// Every `[[watch]]`, in the order of the file. Names are there, valid and different from each other. Options are
    /// those of the watch alone, without the defaults.
    pub watches: Vec<WatchSpec>,
}

/// The daemon's own settings, each only if it was given. A command line option goes before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Daemon {
    /// Where fsmonctl finds the daemon.
    pub socket: Option<PathBuf>,
    /// Mode of the socket, written in octal.
    pub socket_mode: Option<SocketMode>,
    /// Group of the socket.
    pub socket_group: Option<GroupName>,
    /// Who may do everything, beside root and the daemon's own user.
    pub admins: Vec<Principal>,
    /// Who may steer what is there.
    pub operators: Vec<Principal>,
    /// Who may look.
    pub readers: Vec<Principal>,
    /// How much is logged.
    pub log_level: Option<Level>,
    /// The log file.
    pub log_file: Option<PathBuf>,
    /// How a log line looks.
    pub log_format: Option<Format>,
    /// A log file that would grow beyond this is rotated.
    pub log_max_size: Option<Size>,
    /// How many rotated log files are kept.
    pub log_keep: Option<u32>,
    /// For how many days journal and runs are kept.
    pub retention_days: Option<u32>,
    /// Up to what size journal and runs are kept.
    pub retention_size: Option<Size>,
    /// How many commands run at once over all watches.
    pub max_runs: Option<u32>,
}

/// Permission bits of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SocketMode(pub u32);

impl TryFrom<String> for SocketMode {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        u32::from_str_radix(text.trim_start_matches("0o"), 8)
            .ok()
            .filter(|mode| mode & !0o666 == 0 && mode & 0o600 == 0o600)
            .map(Self)
            .ok_or_else(|| {
                let text = fsmon_protocol::path::escape(text.as_bytes());
                format!("'{text}' is not a socket's mode in octal, like \"0600\" or \"0660\"")
            })
    }
}

impl Daemon {
    /// When the log file is rotated.
    pub fn rotation(&self) -> Rotation {
        let usual = Rotation::default();
        Rotation {
            max_size: self.log_max_size.map_or(usual.max_size, |size| size.0),
            keep: self.log_keep.unwrap_or(usual.keep),
            ..usual
        }
    }
}

impl Config {
    /// Reads and checks the config at `path`. That there is none is fine unless `must_exist`, as when it was named.
    ///
    /// Opened once: what is checked for its owner is what is read.
    pub fn load(path: &Path, must_exist: bool, check: Check<'_>) -> Result<Self, ConfigError> {
        match read(path) {
            Ok(text) => Self::parse(&text, path, check),
            Err(e) if e.kind() == io::ErrorKind::NotFound && !must_exist => Ok(Self::default()),
            Err(e) => Err(ConfigError::whole(path, e.to_string())),
        }
    }

    /// Checks the text of a config that is named `path`.
    pub fn parse(text: &str, path: &Path, check: Check<'_>) -> Result<Self, ConfigError> {
        let mut problems = Problems::new(path, text);
        let top = match DeTable::parse(text) {
            Ok(top) => top.into_inner(),
            Err(e) => {
                problems.toml(&e, 0..0, "");
                return Err(problems.into_error());
            }
        };
        let mut config = Self { file: Some(path.to_owned()), ..Self::default() };
        let mut watches = None;
        for (key, value) in table::in_order(top) {
            match key.get_ref().as_ref() {
                "daemon" => config.daemon = daemon(&mut problems, value),
                "defaults" => config.defaults = defaults(&mut problems, value, check),
                "watch" => watches = Some(value),
                other => problems.add(
                    &key.span(),
                    format!(
                        "unknown table or key '{}'; there are [daemon], [defaults] and [[watch]]",
                        table::shown(other)
                    ),
                ),
            }
        }
        // After the defaults, which may stand behind the watches.
        if let Some(value) = watches {
            config.watches = watch::read_all(&mut problems, value, &config.defaults, check);
        }
        if problems.is_empty() { Ok(config) } else { Err(problems.into_error()) }
    }
}

fn daemon(problems: &mut Problems<'_>, value: Spanned<DeValue<'_>>) -> Daemon {
    let Some(entries) = table::entries(problems, value, "[daemon]") else { return Daemon::default() };
    table::read::<Daemon>(problems, entries, "", |given| {
        for (key, path) in [("socket", &given.socket), ("log-file", &given.log_file)] {
            if let Some(path) = path {
                absolute(key, path)?;
            }
        }
        let at_least = |key: &str, given: Option<u64>, least: u64, shown: &str| match given {
            Some(given) if given < least => Err(format!("{key} is less than {shown}")),
            _ => Ok(()),
        };
        at_least("log-max-size", given.log_max_size.map(|s| s.0), 4 << 10, "4K")?;
        at_least("retention-days", given.retention_days.map(u64::from), 1, "1")?;
        at_least("retention-size", given.retention_size.map(|s| s.0), 1 << 20, "1M")?;
        at_least("max-runs", given.max_runs.map(u64::from), 1, "1, so that nothing could ever run")?;
        match given.log_keep {
            Some(keep) if keep > 1000 => Err("log-keep is more than 1000".into()),
            _ => Ok(()),
        }
    })
}

fn defaults(problems: &mut Problems<'_>, value: Spanned<DeValue<'_>>, check: Check<'_>) -> Options {
    let at = value.span();
    let Some(entries) = table::entries(problems, value, "[defaults]") else { return Options::default() };
    let before = problems.count();
    let options: Options = table::read(problems, entries, "", |given| watch::check_options(given, check));
    if problems.count() == before {
        problems.check(&at, watch::check_options(&options, check), "");
    }
    // With a fault told here, no watch has to tell it again.
    if problems.count() == before { options } else { Options::default() }
}

/// The text of a config, if it is a regular file of somebody who is trusted.
fn read(path: &Path) -> io::Result<String> {
    // A fifo must not hang the start: non-blocking has no effect on regular files.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    ownership::check(&file, path)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 4M, so it can't be a config"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = valid.split(|b| *b == b'\n').count();
        io::Error::other(format!("line {line} is not UTF-8"))
    })
}
