//! Taking a new config while running: a bad one is refused and the old one stays.

use std::sync::{Arc, PoisonError};

use fsmon_core::io::Command;
use fsmon_protocol::ApiError;
use fsmon_protocol::event::ServiceStatus;
use fsmon_protocol::rpc::places::ConfigFile;
use fsmon_protocol::rpc_types::{Reloaded, Reply};
use fsmon_protocol::status::DefinedBy;
use tracing::{error, info};

use super::control::Defaults;
use super::define;
use super::failure::sentence;
use super::roles::grants_of;
use super::setup::{Setup, load_config, settings_of};
use crate::edges::History;
use crate::engine::EngineHandle;
use crate::host::config::{Config, Diff};
use crate::host::log::{Level, LogHandle};
use crate::host::notify;
use crate::rpc::Roles;

/// The config in force, and what it needs to become another one.
#[derive(Debug)]
pub struct Reloader {
    config: Config,
    file: ConfigFile,
    one_watch: bool,
    /// The level where neither the command line nor the config names one.
    usual_level: Level,
    /// The command line named a level, which goes before the config's.
    level_is_given: bool,
    /// Who may do what.
    roles: Arc<Roles>,
    /// What `add` takes where it is given nothing else.
    defaults: Defaults,
}

impl Reloader {
    /// Of a daemon that starts with this.
    pub fn new(setup: &Setup, roles: Arc<Roles>, defaults: Defaults) -> Self {
        Self {
            config: setup.config.clone(),
            file: setup.config_file.clone(),
            one_watch: setup.one_watch.is_some(),
            usual_level: setup.usual_level(),
            level_is_given: setup.args.log_level.is_some(),
            roles,
            defaults,
        }
    }

    /// A watch of the config could not be had: the next reload tries it again.
    pub fn not_taken(&mut self, name: &str) {
        self.config.watches.retain(|watch| watch.name != name);
    }

    /// Reads the config and does what differs. What fails of it is told and tried again at the next reload.
    pub async fn reload(&mut self, engine: &EngineHandle, history: &dyn History, log: &LogHandle) -> Reply<Reloaded> {
        notify::reloading();
        let result = self.read_and_apply(engine, history, log).await;
        notify::ready();
        result
    }

    async fn read_and_apply(
        &mut self,
        engine: &EngineHandle,
        history: &dyn History,
        log: &LogHandle,
    ) -> Reply<Reloaded> {
        log.reopen();
        let (file, one_watch) = (self.file.clone(), self.one_watch);
        let read = tokio::task::spawn_blocking(move || {
            load_config(&file, one_watch).map(|config| (grants_of(&config.daemon), config))
        });
        let new = match read.await {
            Ok(Ok((grants, new))) => {
                self.roles.replace(grants);
                *self.defaults.write().unwrap_or_else(PoisonError::into_inner) = new.defaults.clone();
                new
            }
            Ok(Err(bad)) => {
                // One line for the log and for the caller, however many faults there are.
                let faults = bad.to_string().lines().collect::<Vec<_>>().join("; ");
                error!("the config is bad, the one before stays in force: {faults}");
                return Err(ApiError::refused(format!("the config is bad, the one before stays in force: {faults}"))
                    .hint("correct it and say fsmonctl reload again"));
            }
            Err(failed) => return Err(ApiError::bug(format!("reading the config failed: {failed}"))),
        };
        let diff = self.config.diff(&new);
        let mut problems = Vec::new();
        let reloaded = self.apply(new, &diff, (engine, history), log, &mut problems).await;
        if let Err(why) = engine.command(Command::Service(ServiceStatus::Reloaded)).await {
            problems.push(sentence(&why));
        }
        if problems.is_empty() {
            if !diff.is_empty() {
                let Reloaded { added, attached, changed, detached, at_restart } = &reloaded;
                info!(?added, ?attached, ?changed, ?detached, ?at_restart, now = ?diff.now, "config changed");
            }
            return Ok(reloaded);
        }
        let problems = problems.join("; ");
        error!("the config was read again, but not all of it could be done: {problems}");
        Err(ApiError::refused(format!("the config was read, but not all of it could be done: {problems}")))
    }

    /// Watches that go come first, since others may take their names.
    async fn apply(
        &mut self,
        new: Config,
        diff: &Diff,
        (engine, history): (&EngineHandle, &dyn History),
        log: &LogHandle,
        problems: &mut Vec<String>,
    ) -> Reloaded {
        let mut done = Reloaded {
            added: Vec::new(),
            changed: Vec::new(),
            detached: Vec::new(),
            at_restart: diff.at_restart.iter().map(ToString::to_string).collect(),
            attached: Vec::new(),
        };
        let old = std::mem::replace(&mut self.config, new);
        for name in &diff.detached {
            match engine.command(Command::Detach(name.clone())).await {
                Ok(_) => done.detached.push(name.clone()),
                Err(why) => problems.push(format!("watch '{name}': {}", sentence(&why))),
            }
        }
        if diff.now.contains(&"log-level") && !self.level_is_given {
            let level = self.config.daemon.log_level.unwrap_or(self.usual_level);
            if let Err(unknown) = log.set_level(level.as_str()) {
                problems.push(unknown.to_string());
            }
        }
        if diff.defaults.is_some() || diff.now.contains(&"max-runs") {
            let settings = Command::Settings(settings_of(&self.config));
            if let Err(why) = engine.command(settings).await {
                problems.push(format!("the new defaults: {}", sentence(&why)));
            }
        }
        for spec in &diff.changed {
            let (watch, options) = (spec.name.clone(), spec.options.clone());
            match engine.command(Command::Set { watch, options, unset: Vec::new(), by: DefinedBy::Config }).await {
                Ok(_) => done.changed.push(spec.name.clone()),
                Err(why) => {
                    problems.push(format!("watch '{}': {}", spec.name, sentence(&why)));
                    self.not_taken(&spec.name);
                    self.config.watches.extend(old.watches.iter().find(|w| w.name == spec.name).cloned());
                }
            }
        }
        for spec in &diff.added {
            match define::add_or_attach(engine, history, spec.clone()).await {
                Ok(true) => done.attached.push(spec.name.clone()),
                Ok(false) => done.added.push(spec.name.clone()),
                Err(why) => {
                    problems.push(format!("watch '{}': {}", spec.name, sentence(&why)));
                    self.not_taken(&spec.name);
                }
            }
        }
        done
    }
}
