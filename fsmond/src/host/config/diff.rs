//! What a reload has to do: the difference between the config that is in force and the one just read. Pure.

use fsmon_protocol::spec::{Options, WatchSpec};

use super::{Config, Daemon};

/// From one config to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// Watches that are new, or whose path is another: such a one is also in `detached`, which comes first.
    pub added: Vec<WatchSpec>,
    /// Watches whose own options changed, as they are now. An option that is no longer in the file is none here and
    /// takes the default again.
    pub changed: Vec<WatchSpec>,
    /// Names of watches that are no longer in the file.
    pub detached: Vec<String>,
    /// The new defaults, if they changed: they touch every watch, those made at run time too.
    pub defaults: Option<Options>,
    /// Keys of `[daemon]` that changed and can take effect at once.
    pub now: Vec<&'static str>,
    /// Keys of `[daemon]` that changed and take effect at the next start.
    pub at_restart: Vec<&'static str>,
}

impl Config {
    /// What has to be done to come from this config to `new`.
    pub fn diff(&self, new: &Self) -> Diff {
        let same = |config: &Self, spec: &WatchSpec| -> Option<WatchSpec> {
            config.watches.iter().find(|w| w.name == spec.name && w.path == spec.path).cloned()
        };
        let mut diff = Diff {
            detached: self.watches.iter().filter(|w| same(new, w).is_none()).map(|w| w.name.clone()).collect(),
            defaults: (self.defaults != new.defaults).then(|| new.defaults.clone()),
            ..Diff::default()
        };
        for watch in &new.watches {
            match same(self, watch) {
                None => diff.added.push(watch.clone()),
                Some(old) if old.options != watch.options => diff.changed.push(watch.clone()),
                Some(_) => {}
            }
        }
        (diff.now, diff.at_restart) = self.daemon.changed(&new.daemon);
        diff
    }
}

impl Diff {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Daemon {
    /// The keys that differ: those that can take effect at once, and those that need a start.
    fn changed(&self, new: &Self) -> (Vec<&'static str>, Vec<&'static str>) {
        // Taken apart, so that a new setting can't be forgotten here.
        let Self {
            socket,
            socket_mode,
            socket_group,
            admins,
            operators,
            readers,
            log_level,
            log_file,
            log_format,
            log_max_size,
            log_keep,
            retention_days,
            retention_size,
            max_runs,
        } = self;
        let keys =
            |all: &[(bool, &'static str)]| all.iter().filter(|(differs, _)| *differs).map(|(_, key)| *key).collect();
        let now = keys(&[
            (*admins != new.admins, "admins"),
            (*operators != new.operators, "operators"),
            (*readers != new.readers, "readers"),
            (*log_level != new.log_level, "log-level"),
            (*max_runs != new.max_runs, "max-runs"),
        ]);
        let at_restart = keys(&[
            (*socket != new.socket, "socket"),
            (*socket_mode != new.socket_mode, "socket-mode"),
            (*socket_group != new.socket_group, "socket-group"),
            (*log_file != new.log_file, "log-file"),
            (*log_format != new.log_format, "log-format"),
            (*log_max_size != new.log_max_size, "log-max-size"),
            (*log_keep != new.log_keep, "log-keep"),
            (*retention_days != new.retention_days, "retention-days"),
            (*retention_size != new.retention_size, "retention-size"),
        ]);
        (now, at_restart)
    }
}
