//! One file that changes again and again while its command runs: whether the command gets the last content, and how
//! often it gets one that it had already.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fsmon_tests::wait::{holds_within, pause, pause_until};
use fsmon_tests::{Daemon, programs};

use crate::table::Table;
use crate::{Common, tools, work};

/// How often the file changes, and how far apart.
const CHANGES: u32 = 30;
const APART: Duration = Duration::from_millis(100);
/// How long nothing must run before all is taken to be done: longer than a command takes.
const QUIET: Duration = Duration::from_secs(4);

/// What runs the command. It ends when this is dropped.
struct Runner {
    children: Vec<Child>,
    /// What ends the rest of it, so it is dropped first.
    kept: Option<Box<dyn std::any::Any>>,
}

impl Drop for Runner {
    fn drop(&mut self) {
        drop(self.kept.take());
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

type Start = fn(&Path, &Path, &Path) -> Result<Runner>;

/// One row for each way to run a command when a file changes.
pub fn measure(common: &Common) -> Table {
    let head = ["last content lost", "runs to their end", "same content again", "at once"];
    let mut table = Table::new(format!("during-run: {CHANGES} changes in 3 s, a command of 1 s"), &head);
    table.note("systemd.path needs systemd as process 1: tests/systemd/path-unit.sh measures it");
    let ways: [(&str, &str, Start); 4] = [
        ("fsmond", "sh", fsmond),
        ("inotifywait", "inotifywait", inotifywait),
        ("incron", "incrond", incron),
        ("watchman", "watchman", watchman),
    ];
    for (name, program, start) in ways {
        if !common.tools.is_empty() && !common.tools.iter().any(|wanted| wanted == name) {
            continue;
        }
        if programs::installed(program).is_some() {
            table.add(name, one(common, start));
        } else {
            table.note(format!("{name} is not installed"));
        }
    }
    table
}

/// Each run that comes to its end says what it saw when it began, and how many were running then. One that is ended by
/// what started it says nothing.
fn job(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    use std::os::unix::fs::PermissionsExt;
    let (script, log, going) = (folder.join("job"), folder.join("log"), folder.join("going"));
    fs::create_dir(&going)?;
    let text = format!(
        "#!/bin/sh\nsaw=$(cat \"$1\")\n: > {going}/$$\nn=0; for p in $(ls {going}); do kill -0 $p && n=$((n + 1)); done\nsleep 1\nrm {going}/$$\necho \"$saw $n\" >> {log}\n",
        going = going.display(),
        log = log.display()
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    fs::write(&log, "")?;
    Ok((script, log))
}

fn one(common: &Common, start: Start) -> Result<Vec<String>> {
    let (root, own) = (work::folder(common)?, tempfile::tempdir()?);
    let (script, log) = job(own.path())?;
    let _runner = start(root.path(), &script, own.path())?;
    let lines = || fs::read_to_string(&log).unwrap_or_default();
    let file = root.path().join("file");
    // Until one change is answered: then it watches.
    let mut probes = 0;
    let ready = holds_within(Duration::from_secs(30), || {
        if probes % 50 == 0 {
            let _ = fs::write(&file, format!("probe{probes}"));
        }
        probes += 1;
        !lines().is_empty()
    });
    ensure!(ready, "it never runs the command");
    rest(&lines);
    let before = lines().lines().count();
    let begun = Instant::now();
    for n in 1..=CHANGES {
        fs::write(&file, format!("change{n}"))?;
        pause_until(begun + APART * n);
    }
    rest(&lines);
    let all = lines();
    let runs: Vec<(&str, u32)> = all
        .lines()
        .skip(before)
        .filter_map(|line| line.rsplit_once(' ').and_then(|(saw, n)| Some((saw, n.trim().parse().ok()?))))
        .collect();
    let mut contents: Vec<&str> = runs.iter().map(|(saw, _)| *saw).collect();
    let lost = if contents.contains(&format!("change{CHANGES}").as_str()) { "0" } else { "1" };
    contents.sort_unstable();
    contents.dedup();
    let most = runs.iter().map(|(_, n)| *n).max().unwrap_or_default();
    Ok(vec![lost.into(), runs.len().to_string(), (runs.len() - contents.len()).to_string(), most.to_string()])
}

/// Waits until nothing more runs.
fn rest(lines: &dyn Fn() -> String) {
    let (mut length, mut since) = (lines().len(), Instant::now());
    while since.elapsed() < QUIET {
        pause(Duration::from_millis(50));
        let now = lines().len();
        if now != length {
            (length, since) = (now, Instant::now());
        }
    }
}

fn fsmond(root: &Path, script: &Path, _own: &Path) -> Result<Runner> {
    let d = Daemon::start();
    d.add_folder("bench", root, &[], &[script.to_str().context("a path of our own")?]);
    Ok(Runner { children: Vec::new(), kept: Some(Box::new(d)) })
}

/// As its manual shows it: a loop of the shell.
fn inotifywait(root: &Path, script: &Path, _own: &Path) -> Result<Runner> {
    let pipe = "inotifywait -m -q -e close_write --format %w%f \"$1\" | while read -r file; do \"$2\" \"$file\"; done";
    let mut command = Command::new("sh");
    command.args(["-c", pipe, "sh"]).arg(root).arg(script);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let shell = command.spawn()?;
    // The loop ends with its input, so what it reads from is what has to be ended.
    Ok(Runner { kept: Some(Box::new(EndBelow(shell.id()))), children: vec![shell] })
}

/// Ends the children of a process.
struct EndBelow(u32);

impl Drop for EndBelow {
    fn drop(&mut self) {
        let _ = Command::new("pkill").args(["-P", &self.0.to_string()]).status();
    }
}

fn incron(root: &Path, script: &Path, own: &Path) -> Result<Runner> {
    let table = format!("{} IN_CLOSE_WRITE {} $@/$#\n", root.display(), script.display());
    Ok(Runner { children: vec![tools::incron::start(own, &table)?], kept: None })
}

fn watchman(root: &Path, script: &Path, _own: &Path) -> Result<Runner> {
    let server = tools::watchman::Server::start()?;
    let root = root.to_str().context("a path of our own")?;
    let mut trigger = server.client();
    let script = script.to_str().context("a path of our own")?;
    trigger.args(["--no-spawn", "--", "trigger", root, "job", "*", "--", script]);
    tools::watchman::Server::call(server.client().args(["--no-spawn", "watch", root]))?;
    tools::watchman::Server::call(&mut trigger)?;
    Ok(Runner { children: Vec::new(), kept: Some(Box::new(server)) })
}
