//! What happened, in order, so that a failure can be read like a story.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use fsmon_tests::Daemon;
use fsmon_tests::mirror::Wrong;

/// Every step of writers and faults.
pub struct Story {
    begun: Instant,
    lines: Mutex<Vec<String>>,
}

impl Default for Story {
    fn default() -> Self {
        Self { begun: Instant::now(), lines: Mutex::default() }
    }
}

/// How much of a story is printed.
const PRINTED: usize = 80;

impl Story {
    /// One more step.
    pub fn tell(&self, line: impl AsRef<str>) {
        let at = self.begun.elapsed().as_secs_f64();
        self.lines.lock().unwrap().push(format!("{at:8.4}  {}", line.as_ref()));
    }

    /// Prints what is wrong and what led there, and keeps all of it in a folder.
    pub fn tell_failure(&self, seed: u64, wrong: &Wrong, daemon: &Daemon) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let lines = self.lines.lock().unwrap();
        let journal = daemon.ctl(["tail", "data", "--json", "--since", "0", "--no-follow"]);
        fs::write(folder.join("story"), lines.join("\n")).unwrap();
        fs::write(folder.join("journal"), &journal.out).unwrap();
        fs::write(folder.join("console"), daemon.console()).unwrap();
        // With the log in it; copied by a program since a daemon goes on writing there.
        let _ = Command::new("cp").arg("-a").arg(daemon.state()).arg(folder.join("state")).status();

        // Faults always; of the rest what concerns the paths that are wrong, or folders above them.
        let concerns = |line: &str| {
            line.contains("**") || wrong.paths.is_empty() || wrong.paths.iter().any(|path| names(line, path))
        };
        let told: Vec<&str> = lines.iter().map(String::as_str).filter(|line| concerns(line)).collect();
        let records: Vec<String> = journal
            .text()
            .lines()
            .filter(|line| !wrong.paths.is_empty() && wrong.paths.iter().any(|path| names(line, path)))
            .map(str::to_owned)
            .collect();
        eprintln!(
            "\n=== seed {seed}: {}\n--- story (last {PRINTED} steps that concern it; ** are faults)\n{}\n--- journal\n{}\n\
             --- state\n{}--- all of it is in {}",
            wrong.what,
            told[told.len().saturating_sub(PRINTED)..].join("\n"),
            records[records.len().saturating_sub(PRINTED)..].join("\n"),
            daemon.ctl(["show", "data"]).text(),
            folder.display()
        );
    }
}

/// Whether a line names this path, or a folder above it as the end of a word.
fn names(line: &str, path: &Path) -> bool {
    let root = path.ancestors().take_while(|above| above.parent().is_some_and(|p| p != Path::new("")));
    root.filter_map(Path::to_str).any(|name| {
        line.match_indices(name).any(|(at, _)| {
            let rest = &line[at + name.len()..];
            rest.is_empty() || rest.starts_with([' ', '"', ','])
        })
    })
}
