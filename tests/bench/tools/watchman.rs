//! watchman: a server with an index in memory, and a client that subscribes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
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
        let own = tempfile::tempdir()?;
        let socket = own.path().join("socket");
        let watchman = || {
            let mut command = Command::new("watchman");
            command.arg("--sockname").arg(&socket);
            command
        };
        let mut server = watchman();
        server.args(["--foreground", "--no-save-state", "--logfile"]).arg(own.path().join("log"));
        server.arg("--statefile").arg(own.path().join("state")).arg("--pidfile").arg(own.path().join("pid"));
        let server = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut children = vec![server];
        let answers = || {
            let mut ask = watchman();
            ask.args(["--no-spawn", "get-pid"]).stdout(Stdio::null()).stderr(Stdio::null());
            ask.status().is_ok_and(|status| status.success())
        };
        ensure!(holds_within(Duration::from_secs(20), answers), "watchman does not answer");

        let root = root.to_str().context("a path of our own")?;
        let watched = watchman().args(["--no-spawn", "watch", root]).output()?;
        ensure!(watched.status.success(), "watchman refuses: {}", String::from_utf8_lossy(&watched.stderr));
        let mut client = watchman();
        client.args(["--no-spawn", "--json-command", "--persistent"]).stdin(Stdio::piped());
        let (mut client, feed) = spawn(&mut client)?;
        let mut input = client.stdin.take().context("it is piped")?;
        let root = serde_json::to_string(root)?;
        writeln!(input, r#"["subscribe", {root}, "s", {{"fields": ["name"], "expression": ["type", "f"]}}]"#)?;
        let (pids, readers) = (vec![children[0].id()], vec![client.id()]);
        children.push(client);
        Ok(Running { feed, pids, readers, children, _kept: Some(Box::new(own)) })
    }
}
