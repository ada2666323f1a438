//! The tree as the journal tells it: replayed from nothing, and compared with the tree that is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Daemon, Job, Line};

/// What does not hold.
#[derive(Debug)]
pub struct Wrong {
    /// In words.
    pub what: String,
    /// The paths that are concerned, from the root on.
    pub paths: Vec<PathBuf>,
}

impl Wrong {
    /// Without paths.
    pub fn new(what: String) -> Self {
        Self { what, paths: Vec::new() }
    }
}

/// What is at a path: its type, and its size where that is known and means something.
type Entry = (String, Option<u64>);

/// The tree as the journal tells it.
#[derive(Debug)]
pub struct Mirror {
    root: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
    last: u64,
    /// All records about files, with their numbers.
    told: Vec<(u64, String)>,
}

impl Mirror {
    /// The watch `data` on this folder, of which nothing was read yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), entries: BTreeMap::new(), last: 0, told: Vec::new() }
    }

    /// The part of a path from the root on.
    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    /// Reads on in the journal, and compares everything with the tree as it is, and the content of every file with what
    /// its last run saw.
    pub fn compare(&mut self, daemon: &Daemon, job: &Job) -> Result<(), Wrong> {
        self.read(daemon);
        let tree = tree(&self.root);
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
            let full = self.root.join(path);
            let content = crate::job::sum_of(&full);
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
            return Err(Wrong::new(format!("a start over an unchanged tree told {told:?}")));
        }
        let more = job.runs().len() - runs;
        if more > 0 {
            return Err(Wrong::new(format!("a start over an unchanged tree made {more} runs")));
        }
        Ok(())
    }

    fn read(&mut self, daemon: &Daemon) {
        let since = self.last.to_string();
        for line in daemon.ok(["tail", "data", "--json", "--since", &since, "--no-follow"]).json() {
            let line = Line(line);
            self.last = line.number("seq").unwrap();
            if line.is_event() {
                self.told.push((self.last, line.0.to_string()));
                self.apply(&line);
            }
        }
    }

    fn apply(&mut self, line: &Line) {
        let path = self.relative(&line.path());
        let mut entry = (line.field("type").to_owned(), line.number("size"));
        match line.kind() {
            "delete" => drop(self.take(&path)),
            "rename" => {
                let from = self.relative(&line.from());
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
