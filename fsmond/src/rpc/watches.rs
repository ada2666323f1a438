//! Methods about watches other than `add`: list, show, set, set-interval, pause, resume, remove.
//!
//! The one place through which a watch's state leaves the daemon, so that no value of an environment ever does.

use std::path::Path;
use std::sync::Arc;

use fsmon_core::io::{Answer, Command};
use fsmon_protocol::rpc_types::{Removed, Reply};
use fsmon_protocol::spec::Options;
use fsmon_protocol::status::{DefinedBy, WatchStatus};
use fsmon_protocol::{ApiError, path};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::add::LONGEST_LOOK;
use super::roles::Role;
use super::session::{Session, odd};

impl Session {
    /// A command that answers with watches.
    pub async fn watches(&self, command: Command) -> Reply<Vec<WatchStatus>> {
        match self.command(command).await? {
            Answer::Watches(watches) => {
                let role = self.role();
                Ok(watches.into_iter().map(|watch| visible(watch, role)).collect())
            }
            other => Err(odd(&other)),
        }
    }

    /// A command that answers with one watch.
    pub async fn one_watch(&self, command: Command) -> Reply<WatchStatus> {
        let mut watches = self.watches(command).await?;
        match watches.len() {
            1 => Ok(watches.remove(0)),
            n => Err(ApiError::bug(format!("the core answered with {n} watches instead of one"))),
        }
    }

    /// A command on watches of which at least one must be named.
    pub async fn named_watches(
        &self,
        watches: Vec<String>,
        command: fn(Vec<String>) -> Command,
    ) -> Reply<Vec<WatchStatus>> {
        some_named(&watches)?;
        self.watches(command(watches)).await
    }

    /// Changes options of one watch.
    pub async fn set_options(&self, watch: String, options: Options, unset: Vec<String>) -> Reply<WatchStatus> {
        check_options(&options, &unset)?;
        if options.command.is_some() || options.run_as.is_some() || unset.iter().any(|name| takes_run_as(name)) {
            self.check_new_command(watch.clone(), options.clone(), &unset).await?;
        }
        let starts_another = options.command.is_some() || options.env.is_some() || options.cwd.is_some();
        self.server.control.later_stamp().await;
        let set = Command::Set { watch, options, unset, by: DefinedBy::Runtime };
        if starts_another { self.defined(set).await } else { self.one_watch(set).await }
    }

    /// A command that gives a watch another one to run: what is odd about that is told beside, since it is done all the
    /// same. What a file system does not tell in time is not told.
    pub async fn defined(&self, command: Command) -> Reply<WatchStatus> {
        let watch = match self.command(command).await? {
            Answer::Watches(mut watches) if watches.len() == 1 => watches.remove(0),
            other => return Err(odd(&other)),
        };
        let (control, path, rules) = (Arc::clone(&self.server.control), watch.path.clone(), watch.rules.clone());
        let looking = spawn_blocking(move || {
            let path = Path::new(&path);
            let root = path.parent().filter(|_| path.is_file()).unwrap_or(path);
            control.doubts(root, &rules)
        });
        let warnings = timeout(LONGEST_LOOK, looking).await.ok().and_then(Result::ok).unwrap_or_default();
        Ok(WatchStatus { warnings, ..visible(watch, self.role()) })
    }

    /// Looks whether this daemon would run what the watch has from these options on. A root that does not answer now
    /// is no reason to refuse: every run is checked again.
    async fn check_new_command(&self, watch: String, given: Options, unset: &[String]) -> Reply<()> {
        let now = self.one_watch(Command::Show(vec![watch])).await?;
        let run_as = now.rules.run_as.filter(|_| !unset.iter().any(|name| takes_run_as(name)));
        let (command, run_as) = (Some(now.rules.command), Some(run_as.unwrap_or_default()));
        let options = given.or(&Options { command, run_as, ..Options::default() });
        let control = Arc::clone(&self.server.control);
        let checking = spawn_blocking(move || control.check_command(Path::new(&now.path), &options));
        timeout(LONGEST_LOOK, checking).await.map_or(Ok(()), |checked| checked.unwrap_or(Ok(())))
    }

    /// Removes watches: all or none.
    pub async fn remove_watches(&self, watches: Vec<String>, kill: bool) -> Reply<Vec<Removed>> {
        some_named(&watches)?;
        match self.command(Command::Remove { watches, kill, by: DefinedBy::Runtime }).await? {
            Answer::Removed(removed) => Ok(removed),
            other => Err(odd(&other)),
        }
    }
}

fn some_named(watches: &[String]) -> Result<(), ApiError> {
    if watches.is_empty() {
        return Err(ApiError::usage("no watch is named").hint("fsmonctl list shows the watches"));
    }
    Ok(())
}

/// Whether this name of an option, in any of its forms, is that of the user to run as.
fn takes_run_as(name: &str) -> bool {
    name.trim_start_matches("--").replace('-', "_") == "run_as"
}

/// What `set` is asked for is something, and can be meant.
pub fn check_options(options: &Options, unset: &[String]) -> Result<(), ApiError> {
    if options.is_empty() && unset.is_empty() {
        return Err(ApiError::usage("no option is given, so there is nothing to set")
            .hint("fsmonctl set --help lists the options"));
    }
    check_cwd(options.cwd.as_deref())
}

/// The folder a command runs in is given to the daemon, whose own working folder means nothing to the caller.
pub fn check_cwd(cwd: Option<&str>) -> Result<(), ApiError> {
    match cwd {
        Some(cwd) if !cwd.starts_with('/') || cwd.contains('\0') => {
            Err(ApiError::usage(format!("cwd '{}' is not an absolute path", path::escape(cwd.as_bytes())))
                .hint("give the whole path, from / on"))
        }
        _ => Ok(()),
    }
}

/// A watch as somebody with this role may see it: no value of an environment ever, and no command line for those who
/// only look.
pub fn visible(mut watch: WatchStatus, role: Option<Role>) -> WatchStatus {
    for pair in &mut watch.rules.env {
        let name = pair.split('=').next().unwrap_or_default().len();
        pair.truncate(name);
        pair.push('=');
    }
    if role < Some(Role::Operator) {
        watch.rules.command.clear();
        if let Some(trouble) = watch.workers.as_mut().and_then(|workers| workers.trouble.as_mut()) {
            "an operator is shown why".clone_into(trouble);
        }
    }
    watch
}
