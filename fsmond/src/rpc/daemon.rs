//! `status`: what the core knows, joined with what the app knows.

use std::path::Path;

use fsmon_core::io::{Answer, Command};
use fsmon_protocol::RawPath;
use fsmon_protocol::rpc_types::Reply;
use fsmon_protocol::status::DaemonStatus;

use super::session::{Session, odd};

impl Session {
    /// The daemon at a glance.
    pub async fn daemon_status(&self) -> Reply<DaemonStatus> {
        let watches = self.watches(Command::Show(Vec::new())).await?;
        let mut counters = match self.command(Command::Counters).await? {
            Answer::Counters(counters) => counters,
            other => return Err(odd(&other)),
        };
        let facts = self.server.control.facts();
        counters.log_lines_dropped = facts.log_lines_dropped;
        let engine = &self.server.engine;
        Ok(DaemonStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uid: rustix::process::geteuid().as_raw(),
            started: facts.started,
            uptime: facts.uptime,
            socket: shown(&facts.socket),
            state_dir: shown(&facts.state_dir),
            config: facts.config.as_deref().map(shown),
            log_file: facts.log_file.as_deref().map(shown),
            log_level: facts.log_level,
            watches,
            last_seq: engine.ring().last(),
            store_error: engine.store_error(),
            counters,
        })
    }
}

fn shown(path: &Path) -> String {
    RawPath::from(path).text().into_owned()
}
