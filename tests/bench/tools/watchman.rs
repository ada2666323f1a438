//! watchman: a server with an index in memory, and a client that subscribes.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fsmon_tests::programs;
use fsmon_tests::wait::holds_within;

use super::{Running, Tool, spawn};

pub struct Watchman;

impl Tool for Watchman {
    fn name(&self) -> &'static str {
        "watchman"
    }

    fn is_there(&self) -> bool {
        programs::installed("watchman").is_some()
    }

    fn start(&self, root: &Path) -> Result<Running> {
        let server = Server::start()?;
        let root = root.to_str().context("a path of our own")?;
        Server::call(server.client().args(["--no-spawn", "watch", root]))?;
        let mut client = server.client();
        client.args(["--no-spawn", "--json-command", "--persistent"]).stdin(Stdio::piped());
        let (mut client, feed) = spawn(&mut client)?;
        let mut input = client.stdin.take().context("it is piped")?;
        let root = serde_json::to_string(root)?;
        writeln!(input, r#"["subscribe", {root}, "s", {{"fields": ["name"], "expression": ["type", "f"]}}]"#)?;
        let (pids, readers) = (vec![server.process.id()], vec![client.id()]);
        Ok(Running { feed, pids, readers, children: vec![client], kept: Some(Box::new(server)) })
    }
}

/// A server of our own. It ends when this is dropped.
pub struct Server {
    process: Child,
    own: tempfile::TempDir,
}

impl Server {
    /// Starts one and waits until it answers.
    pub fn start() -> Result<Self> {
        let own = tempfile::tempdir()?;
        let mut command = Command::new("watchman");
        command.arg("--sockname").arg(own.path().join("socket"));
        command.args(["--foreground", "--no-save-state", "--logfile"]).arg(own.path().join("log"));
        command.arg("--statefile").arg(own.path().join("state")).arg("--pidfile").arg(own.path().join("pid"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { process: command.spawn()?, own };
        let answers = || Self::call(server.client().args(["--no-spawn", "get-pid"])).is_ok();
        ensure!(holds_within(Duration::from_secs(20), answers), "watchman does not answer");
        Ok(server)
    }

    /// A client of it.
    pub fn client(&self) -> Command {
        let mut command = Command::new("watchman");
        command.arg("--sockname").arg(self.own.path().join("socket"));
        command
    }

    /// Runs a call, which must succeed.
    pub fn call(call: &mut Command) -> Result<()> {
        let ran = call.output()?;
        ensure!(ran.status.success(), "watchman refuses: {}", String::from_utf8_lossy(&ran.stderr));
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
