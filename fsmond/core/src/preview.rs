//! A dry run: which files of a tree rules would match and run, and what other rules would change about that. Pure: an
//! edge walks the tree and asks here, with the same filter that the watch itself would use.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fsmon_protocol::event::EventKind;
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::rpc_types::DryRun;
use fsmon_protocol::spec::{Existing, Rules};
use fsmon_protocol::{ApiError, RawPath};

use crate::filter::Filter;
use crate::ignores::{self, IgnoreFile};
use crate::io::{AskIgnores, IgnoreRead, Name, Stat};

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The watch's name.
    pub name: String,
    /// Its path.
    pub path: RawPath,
    /// The folder to walk.
    pub root: RawPath,
    /// Where the path is one file: its name.
    pub only: Option<Name>,
    /// The rules it has now, where it is there already.
    pub before: Option<Arc<Rules>>,
    /// The rules it would have.
    pub rules: Arc<Rules>,
}

/// Which of the two sets of rules reach into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    before: bool,
    after: bool,
}

/// A dry run under way.
#[derive(Debug)]
pub struct Preview {
    trial: Trial,
    before: Option<Filter>,
    after: Filter,
    found: DryRun,
    /// Files of the folder that is being read that would run once the ready file of this path is there.
    awaiting: Vec<(Vec<u8>, RawPath)>,
    /// The ready files of that folder.
    ready: HashSet<Vec<u8>>,
    /// Ignore files by the path of their folder.
    ignores: HashMap<Vec<u8>, Arc<IgnoreFile>>,
}

impl Preview {
    /// Nothing is looked at yet.
    pub fn new(trial: Trial) -> Result<Self, ApiError> {
        let before = trial.before.as_ref().map(|rules| Filter::new(rules)).transpose()?;
        let after = Filter::new(&trial.rules)?;
        let found = DryRun {
            name: trial.name.clone(),
            path: trial.path.to_string(),
            looked: 0,
            folders: 0,
            complete: true,
            matches: fsmon_protocol::rpc_types::Listed::default(),
            runs: fsmon_protocol::rpc_types::Listed::default(),
            dropped: fsmon_protocol::rpc_types::Listed::default(),
            gained: fsmon_protocol::rpc_types::Listed::default(),
        };
        Ok(Self { trial, before, after, found, awaiting: Vec::new(), ready: HashSet::new(), ignores: HashMap::new() })
    }

    /// The folder to walk.
    pub fn root(&self) -> &RawPath {
        &self.trial.root
    }

    /// The root is always entered.
    pub fn reach_of_root(&self) -> Reach {
        Reach { before: self.before.is_some(), after: true }
    }

    /// What to ask of the ignore files.
    pub fn ask_ignores(&self) -> AskIgnores {
        let heeds = |rules: &Arc<Rules>| rules.gitignore;
        let heed =
            self.trial.only.is_none() && (heeds(&self.trial.rules) || self.trial.before.as_ref().is_some_and(heeds));
        if heed { AskIgnores::Yes(None) } else { AskIgnores::No }
    }

    /// What the ignore file in a folder says, before anything in it.
    pub fn ignores(&mut self, folder: &[u8], read: IgnoreRead) {
        if let IgnoreRead::Read(file) = read {
            self.ignores.insert(folder.to_vec(), file);
        }
    }

    /// Whether the ignore files leave out a path, given that its folder is entered.
    fn is_ignored(&self, rel: &[u8], dir: bool) -> bool {
        let slashes = rel.iter().enumerate().rev().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
        let above = slashes.map(|at| (at + 1, &rel[..at])).chain([(0, &rel[..0])]);
        let files = above.filter_map(|(from, folder)| Some((from, self.ignores.get(folder)?.as_ref())));
        let name = rel.rsplit(|&b| b == b'/').next().unwrap_or(rel);
        name == ignores::GIT || ignores::decide(files, rel, dir).is_some_and(|(_, _, ignored)| ignored)
    }

    /// Whether it is left out by the rules before, and by those after.
    fn ignored(&self, rel: &[u8], dir: bool) -> (bool, bool) {
        let heeds = |rules: &Arc<Rules>| rules.gitignore;
        let (before, after) = (self.trial.before.as_ref().is_some_and(heeds), heeds(&self.trial.rules));
        let ignored = (before || after) && self.trial.only.is_none() && self.is_ignored(rel, dir);
        (before && ignored, after && ignored)
    }

    /// Whether a folder is entered, whose own folder is reached so. `rel` is relative to the root, `depth` how far below.
    pub fn folder(&self, above: Reach, rel: &[u8], depth: u32) -> Option<Reach> {
        let enters = |filter: &Filter| self.trial.only.is_none() && filter.folder(rel, depth);
        let ignored = self.ignored(rel, true);
        let reach = Reach {
            before: above.before && !ignored.0 && self.before.as_ref().is_some_and(enters),
            after: above.after && !ignored.1 && enters(&self.after),
        };
        (reach.before || reach.after).then_some(reach)
    }

    /// Takes a file, or anything else that is no folder, of a folder that is reached so.
    pub fn file(&mut self, above: Reach, rel: &[u8], stat: &Stat) {
        let lets_in =
            |filter: &Filter| self.trial.only.as_ref().map_or_else(|| filter.file(rel), |only| **only == *rel);
        let ignored = self.ignored(rel, false);
        let before = above.before && !ignored.0 && self.before.as_ref().is_some_and(lets_in);
        let after = above.after && !ignored.1 && lets_in(&self.after);
        let path = || self.trial.root.join(rel);
        self.found.looked += 1;
        if after {
            self.found.matches.add(path);
        }
        if before && !after {
            self.found.dropped.add(path);
        }
        if after && !before && self.before.is_some() {
            self.found.gained.add(path);
        }
        let (folder, name) = rel.split_at(rel.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1));
        if after && self.after.is_ready_file(name) {
            self.ready.insert(rel.to_vec());
        } else if after && !before && self.runs(stat) {
            match self.after.ready() {
                Some(ready) => self.awaiting.push(([folder, &ready.of(name)].concat(), path())),
                None => self.found.runs.add(path),
            }
        }
    }

    /// Whether the command would run at once for a file that is newly matched.
    fn runs(&self, stat: &Stat) -> bool {
        let rules = &self.trial.rules;
        stat.file_type == FileType::File
            && rules.existing == Existing::Run
            && !rules.command.is_empty()
            && rules.kinds.contains(&EventKind::Create)
            && self.after.size_ok(stat.fingerprint.size)
    }

    /// One more folder was read to its end.
    pub fn folder_read(&mut self) {
        self.found.folders += 1;
        for (ready, path) in self.awaiting.drain(..) {
            if self.ready.contains(&ready) {
                self.found.runs.add(|| path);
            }
        }
        self.ready.clear();
    }

    /// Some of the tree could not be seen.
    pub fn incomplete(&mut self) {
        self.found.complete = false;
    }

    /// What was found.
    pub fn finish(self) -> DryRun {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use fsmon_protocol::fingerprint::Fingerprint;
    use fsmon_protocol::spec::Options;

    use super::*;

    fn rules(options: &Options) -> Arc<Rules> {
        Arc::new(Rules::from_options(options))
    }

    fn stat(size: u64) -> Stat {
        let fingerprint = Fingerprint { inode: 1, size, mtime: 0, ctime: 0 };
        Stat { file_type: FileType::File, fingerprint, btime: 0, own: false, mount_point: false, written: None }
    }

    fn preview(before: Option<&Options>, after: &Options) -> Preview {
        let trial = Trial {
            name: "w".into(),
            path: "/w".into(),
            root: "/w".into(),
            only: None,
            before: before.map(rules),
            rules: rules(after),
        };
        Preview::new(trial).unwrap()
    }

    fn globs(include: &[&str], exclude: &[&str]) -> Options {
        let list = |globs: &[&str]| Some(globs.iter().map(ToString::to_string).collect());
        Options { include: list(include), exclude: list(exclude), ..Options::default() }
    }

    #[test]
    fn a_new_watch_matches_by_its_filter_and_runs_what_existing_says() {
        let running = Options {
            command: Some(vec!["true".into()]),
            existing: Some(Existing::Run),
            max_size: Some(fsmon_protocol::Size(10)),
            ..globs(&["*.csv"], &["tmp/"])
        };
        let mut preview = preview(None, &running);
        let root = preview.reach_of_root();
        for (name, size) in [("a.csv", 1), ("b.csv", 11), ("c.txt", 1)] {
            preview.file(root, name.as_bytes(), &stat(size));
        }
        assert_eq!(preview.folder(root, b"tmp", 1), None);
        let found = preview.finish();
        assert_eq!((found.looked, found.matches.count, found.runs.count), (3, 2, 1));
        assert_eq!(found.runs.first, [RawPath::from("/w/a.csv")]);
        assert_eq!((found.dropped.count, found.gained.count), (0, 0));
    }

    #[test]
    fn other_rules_drop_and_gain_also_below_folders_that_only_one_of_them_enters() {
        let mut preview = preview(Some(&globs(&["*.csv"], &["new/"])), &globs(&["*.csv", "*.txt"], &["old/"]));
        let root = preview.reach_of_root();
        preview.file(root, b"a.csv", &stat(1));
        preview.file(root, b"a.txt", &stat(1));
        let old = preview.folder(root, b"old", 1).unwrap();
        preview.file(old, b"old/b.csv", &stat(1));
        let new = preview.folder(root, b"new", 1).unwrap();
        preview.file(new, b"new/c.csv", &stat(1));
        let found = preview.finish();
        assert_eq!(found.matches.count, 3);
        assert_eq!(found.dropped.first, [RawPath::from("/w/old/b.csv")]);
        assert_eq!(found.gained.first, [RawPath::from("/w/a.txt"), RawPath::from("/w/new/c.csv")]);
        assert_eq!(found.runs.count, 0, "what newly matches follows existing, which is skip");
    }

    #[test]
    fn where_ready_files_are_awaited_only_those_run_whose_ready_file_is_there() {
        let mut preview = preview(
            None,
            &Options {
                command: Some(vec!["true".into()]),
                existing: Some(Existing::Run),
                ready_file: Some("{name}.done".into()),
                ..globs(&["*.csv"], &[])
            },
        );
        let root = preview.reach_of_root();
        for rel in ["a.csv.done", "a.csv", "b.csv", "c.txt"] {
            preview.file(root, rel.as_bytes(), &stat(1));
        }
        preview.folder_read();
        preview.file(root, b"in/b.csv.done", &stat(1));
        preview.folder_read();
        let found = preview.finish();
        assert_eq!(found.runs.first, [RawPath::from("/w/a.csv")], "a ready file itself never runs");
        assert_eq!(found.matches.count, 4, "a ready file is watched whatever include says");
    }

    #[test]
    fn what_is_named_is_bounded_and_the_rest_is_counted() {
        let mut preview = preview(None, &Options::default());
        let root = preview.reach_of_root();
        for n in 0..250 {
            preview.file(root, format!("{n}").as_bytes(), &stat(1));
        }
        let found = preview.finish();
        assert_eq!((found.matches.count, found.matches.first.len()), (250, 100));
    }
}
