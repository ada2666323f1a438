//! What has to hold when all is quiet: the journal, replayed from nothing, is the tree; every file's content was given
//! to the command; no version was given twice without a reason, and never two at once for one file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fsmon_tests::{Daemon, Job, Line};

use crate::place::Place;

/// What does not hold.
#[derive(Debug)]
pub struct Wrong {
    /// In words.
    pub what: String,
    /// The paths that are concerned, from the root on.
    pub paths: Vec<PathBuf>,
}

/// What is at a path: its type, and its size where that is known and means something.
type Entry = (String, Option<u64>);

/// The tree as the journal tells it.
#[derive(Debug, Default)]
pub struct Mirror {
    entries: BTreeMap<PathBuf, Entry>,
    last: u64,
    /// Numbers of all records about files.
    told: Vec<(u64, String)>,
}

impl Mirror {
    /// Reads on in the journal, and compares everything with the tree as it is.
    pub fn compare(&mut self, place: &Place, daemon: &Daemon, job: &Job) -> Result<(), Wrong> {
        self.read(place, daemon);
        let tree = tree(&place.root());
        let paths = self.entries.keys().chain(tree.keys());
        let differ = |path: &&PathBuf| match (self.entries.get(*path), tree.get(*path)) {
            (Some(told), Some(is)) => told.0 != is.0 || (told.1.is_some() && told.1 != is.1),
            _ => true,
        };
        let mut wrong: Vec<PathBuf> = paths.filter(differ).cloned().collect();
        wrong.dedup();
        if let Some(path) = wrong.first() {
            let (told, is) = (self.entries.get(path), tree.get(path));
            let what = format!("the journal is not the tree: {}: told {told:?}, is {is:?}", path.display());
            return Err(Wrong { what, paths: wrong });
        }
        let runs = last_sums(job);
        for (path, _) in tree.iter().filter(|(_, (kind, _))| kind == "file") {
            let full = place.root().join(path);
            let content = fsmon_tests::job::sum_of(&full);
            let given = runs.get(&full);
            if given != Some(&content) {
                let what =
                    format!("the last content of {} was never processed: {content}, but {given:?}", path.display());
                return Err(Wrong { what, paths: vec![path.clone()] });
            }
        }
        Ok(())
    }

    /// The number of the last record read.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Nothing was told, and nothing has run, since then.
    pub fn nothing_after(&self, last: u64, runs: usize, job: &Job) -> Result<(), Wrong> {
        let told: Vec<&String> = self.told.iter().filter(|(seq, _)| *seq > last).map(|(_, line)| line).collect();
        if !told.is_empty() {
            return Err(Wrong { what: format!("a start over an unchanged tree told {told:?}"), paths: Vec::new() });
        }
        let more = job.runs().len() - runs;
        if more > 0 {
            return Err(Wrong { what: format!("a start over an unchanged tree made {more} runs"), paths: Vec::new() });
        }
        Ok(())
    }

    fn read(&mut self, place: &Place, daemon: &Daemon) {
        let since = self.last.to_string();
        for line in daemon.ok(["tail", "data", "--json", "--since", &since, "--no-follow"]).json() {
            let line = Line(line);
            self.last = line.number("seq").unwrap();
            if line.is_event() {
                self.told.push((self.last, line.0.to_string()));
                self.apply(place, &line);
            }
        }
    }

    fn apply(&mut self, place: &Place, line: &Line) {
        let path = place.relative(&line.path()).to_owned();
        let mut entry = (line.field("type").to_owned(), line.number("size"));
        match line.kind() {
            "delete" => drop(self.take(&path)),
            "rename" => {
                let from = place.relative(&line.from()).to_owned();
                let mut moved = self.take(&from);
                self.take(&path);
                // A rename may not know the size: then it is what it was.
                entry.1 = entry.1.or(moved.remove(&PathBuf::new()).and_then(|before| before.1));
                self.entries.insert(path.clone(), entry);
                self.entries.extend(moved.into_iter().map(|(below, entry)| (path.join(below), entry)));
            }
            _ => {
                // What is no folder any more has nothing below it.
                if entry.0 != "dir" {
                    self.take(&path);
                }
                self.entries.insert(path, entry);
            }
        }
    }

    /// Takes out a path and all below it; gives it with paths relative to it.
    fn take(&mut self, path: &Path) -> BTreeMap<PathBuf, Entry> {
        let all: Vec<PathBuf> = self.entries.keys().filter(|p| p.starts_with(path)).cloned().collect();
        let one = |p: PathBuf| Some((p.strip_prefix(path).ok()?.to_owned(), self.entries.remove(&p)?));
        all.into_iter().filter_map(one).collect()
    }
}

/// Everything below the root, with type and, for files, size.
fn tree(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let there = fs::symlink_metadata(&path).unwrap();
            let kind = match there.file_type() {
                kind if kind.is_dir() => "dir",
                kind if kind.is_symlink() => "symlink",
                kind if kind.is_file() => "file",
                _ => "other",
            };
            if kind == "dir" {
                folders.push(path.clone());
            }
            let size = (kind == "file").then_some(there.len());
            all.insert(path.strip_prefix(root).unwrap().to_owned(), (kind.to_owned(), size));
        }
    }
    all
}

/// What the last run of each path saw.
fn last_sums(job: &Job) -> BTreeMap<PathBuf, String> {
    job.runs().into_iter().map(|run| (run.path, run.sum)).collect()
}

/// What the job does first. It says when two run at once for one path, since each holds a lock while it works. And it
/// fails where the file cannot be opened; once it is open its file system stays until the job has ended.
pub fn careful(locks: &Path) -> String {
    let locks = locks.display();
    format!(
        r#"exec 9>"{locks}/$(printf %s "$1" | cksum | tr ' ' -)"
flock -n 9 || echo "$1" >> '{locks}/two'
exec 8<"$1""#
    )
}

/// Never two at once; and a version given again only where the daemon had ended.
pub fn check_runs(job: &Job, may_repeat: usize, locks: &Path) -> Result<(), Wrong> {
    if let Ok(two) = fs::read_to_string(locks.join("two")) {
        return Err(Wrong { what: format!("two runs of one file at once: {two}"), paths: Vec::new() });
    }
    let mut times: BTreeMap<(PathBuf, String, String), usize> = BTreeMap::new();
    for run in job.runs() {
        *times.entry((run.path, run.id, run.sum)).or_default() += 1;
    }
    let repeated: usize = times.values().map(|n| n - 1).sum();
    if repeated > may_repeat {
        let what = format!("{repeated} versions were given again, at most {may_repeat} may have been under way");
        let paths = times.into_iter().filter(|(_, n)| *n > 1).map(|((path, ..), _)| path).take(5).collect();
        return Err(Wrong { what, paths });
    }
    Ok(())
}
