//! The server: lets fsmonctl in, decides who may do what, and translates methods into commands of the engine.
//!
//! It knows the engine's handle, the store's history, and what the app tells of the daemon; nothing of the core's
//! insides and no edge itself. Nothing here changes state: that happens in the engine's task, so a client that goes
//! away in the middle harms nobody. What comes in is hostile until it is proven otherwise.

mod accept;
mod add;
mod census;
mod connection;
mod daemon;
mod doctor;
mod dry_run;
mod explain;
mod files;
mod gate;
mod hang_up;
mod peer;
mod place;
mod roles;
mod runs;
mod session;
mod socket;
mod sweep;
mod tail;
mod verify;
mod watches;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fsmon_protocol::Timestamp;
use fsmon_protocol::doctor::Finding;
use fsmon_protocol::rpc::preamble;
use fsmon_protocol::rpc::server::LONGEST_STALL;
use fsmon_protocol::rpc_types::{Reloaded, Reply};
use fsmon_protocol::spec::{Options, Rules};
use fsmon_protocol::status::{Counters, WatchStatus};
use fsmon_protocol::units::Span;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::edges::{Folders, History, RunOutput, Survey};
use crate::engine::EngineHandle;

pub use accept::serve;
pub use place::{Place, look_at};
pub use roles::{Grants, Members, Role, Roles};
pub use socket::{Access, Bound, bind};

/// What the server asks of the app: everything about the daemon as a process.
pub trait Control: Send + Sync {
    /// Reads the config again; a bad one is refused and the old one stays.
    fn reload(&self) -> BoxFuture<'_, Reply<Reloaded>>;
    /// Begins a clean stop; answers when it has begun, not when it is done.
    fn stop(&self) -> BoxFuture<'_, Reply<()>>;
    /// Waits until file systems stamp files later than all that is there already, so that what was made before a watch
    /// can be told from what is made after it.
    fn later_stamp(&self) -> BoxFuture<'_, ()>;
    /// Refuses a command that this daemon would not run on files of this root, with the options it would have.
    /// Waits for file systems and the user database.
    fn check_command(&self, root: &Path, given: &Options) -> Reply<()>;
    /// Why the command of a watch with this root could not be started now, each a sentence. Waits for file systems and the
    /// user database.
    fn doubts(&self, root: &Path, rules: &Rules) -> Vec<String>;
    /// What `doctor` finds about the process, the machine, the places of these watches, and why these runs failed. Waits
    /// for file systems.
    fn examine(&self, watches: &[WatchStatus], failed: &[RunOutput], counters: &Counters) -> Vec<Finding>;
    /// Changes the log level: error, warn, info, debug or trace.
    fn log_level(&self, level: &str) -> Reply<()>;
    /// The facts about the daemon as of now.
    fn facts(&self) -> DaemonFacts;
}

/// What `status` tells beside what the core and the engine know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonFacts {
    /// When it started.
    pub started: Timestamp,
    /// For how long it is up, by a clock that is never set.
    pub uptime: Span,
    /// Its socket.
    pub socket: PathBuf,
    /// Its state folder.
    pub state_dir: PathBuf,
    /// Its config file, if it read one.
    pub config: Option<PathBuf>,
    /// Its log file.
    pub log_file: Option<PathBuf>,
    /// Its log level.
    pub log_level: String,
    /// Log lines counted instead of written.
    pub log_lines_dropped: u64,
}

/// Everything that methods are answered from; one for all connections.
pub struct Server {
    /// Commands, the ring, news.
    pub engine: EngineHandle,
    /// What is stored.
    pub history: Arc<dyn History>,
    /// Reading folders beside the watches.
    pub folders: Arc<dyn Folders>,
    /// Looking at trees for dry runs.
    pub survey: Arc<dyn Survey>,
    /// The daemon as a process.
    pub control: Arc<dyn Control>,
    /// Who may do what.
    pub roles: Arc<Roles>,
    /// Cancelled when the daemon stops: no more connections, waits end at once, replies are still sent.
    pub stop: CancellationToken,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// Limits on what clients can take. Tests make them shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of each user who is neither root nor the daemon's own; all of these together get half of the whole.
    pub per_stranger: usize,
    /// Connections of root and of the daemon's own user, each.
    pub per_admin: usize,
    /// Time for the preamble, and then again for the first request.
    pub first_request: Duration,
    /// Time without any request in flight.
    pub idle: Duration,
    /// Time in which a client takes nothing of a reply.
    pub unread_reply: Duration,
    /// Time for replies that are under way when the daemon stops.
    pub stopping: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            per_stranger: 8,
            per_admin: 32,
            first_request: preamble::LONGEST_TIME,
            idle: Duration::from_secs(600),
            unread_reply: LONGEST_STALL,
            stopping: Duration::from_secs(2),
        }
    }
}
