//! incron: runs a command for each event, from a table; one folder and nothing below it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Result, ensure};
use fsmon_tests::{process, programs};

use super::{Running, Tool, spawn};

pub struct Incron;

/// Starts it with a table of its own, below `own`.
pub fn start(own: &Path, table: &str) -> Result<Child> {
    ensure!(process::is_root(), "incrond takes another config only from root");
    let (tables, users) = (own.join("tables"), own.join("users"));
    fs::create_dir(&tables)?;
    fs::create_dir(&users)?;
    fs::write(tables.join("bench"), table)?;
    let config = own.join("incron.conf");
    let text = format!(
        "system_table_dir = {}\nuser_table_dir = {}\nlockfile_dir = {}\nlockfile_name = lock\n",
        tables.display(),
        users.display(),
        own.display()
    );
    fs::write(&config, text)?;
    let mut command = Command::new("incrond");
    command.arg("-n").arg("-f").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.spawn()?)
}

impl Tool for Incron {
    fn name(&self) -> &'static str {
        "incron"
    }

    fn is_there(&self) -> bool {
        programs::installed("incrond").is_some()
    }

    fn is_flat(&self) -> bool {
        true
    }

    fn start(&self, root: &Path) -> Result<Running> {
        let own = tempfile::tempdir()?;
        let (told, script) = (own.path().join("told"), own.path().join("tell"));
        fs::write(&told, "")?;
        fs::write(&script, format!("#!/bin/sh\necho \"$1\" >> {}\n", told.display()))?;
        Command::new("chmod").arg("755").arg(&script).status()?;
        let table = format!("{} IN_CLOSE_WRITE {} $@/$#\n", root.display(), script.display());
        let daemon = start(own.path(), &table)?;
        let (reader, feed) = spawn(Command::new("tail").args(["-n", "+1", "-f"]).arg(&told))?;
        let (pids, readers) = (vec![daemon.id()], vec![reader.id()]);
        Ok(Running { feed, pids, readers, children: vec![daemon, reader], kept: Some(Box::new(own)) })
    }
}
