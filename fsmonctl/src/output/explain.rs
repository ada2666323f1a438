//! How the answer of `explain` reads for people: for each watch one line that answers, then what that rests on.

use fsmon_protocol::Timestamp;
use fsmon_protocol::explain::{Explained, OnDisk, Rule, RunsNot, Standing, Waits};
use fsmon_protocol::file::{FileInfo, FileState};
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::path::{escape, tame};
use fsmon_protocol::run::RunInfo;
use fsmon_protocol::status::{DefinedBy, WatchState};

use super::files::ended;
use super::gaps::open_gap;
use super::text::{command, count, outcome, relative};
use super::{Out, Style, json};
use crate::failure::Failure;

impl Out {
    /// What each watch has to say of a path: a block, or one object each.
    pub fn explained(&self, all: &[Explained]) -> Result<(), Failure> {
        if self.is_json() {
            return all.iter().try_for_each(|told| self.object(&json::explained(told)));
        }
        for (index, told) in all.iter().enumerate() {
            if index > 0 {
                self.line("")?;
            }
            self.pairs(&Telling { told, now: Timestamp::now() }.rows(self.style()))?;
        }
        Ok(())
    }
}

/// How a list of patterns is given.
const GLOBS: &str = "GLOB…";

/// One answer, told at one moment.
struct Telling<'a> {
    told: &'a Explained,
    now: Timestamp,
}

impl Telling<'_> {
    fn rows(&self, style: Style) -> Vec<(&'static str, String)> {
        let told = self.told;
        let standing = told.standing();
        let word = match standing {
            Standing::File(state) => style.file(state),
            Standing::KeptOut => style.warn("not watched"),
            Standing::NotAFile => "no file".to_owned(),
            other => other.as_str().to_owned(),
        };
        let state = style.state(told.state);
        let mut rows = vec![
            ("path", told.path.to_string()),
            ("watch", format!("{} ({}), {state}", self.name(), told.root)),
            ("answer", format!("{word}: {}", self.answer(standing))),
        ];
        if standing != Standing::KeptOut {
            // These two are the answer already.
            let more = told.waits.iter().filter(|it| !matches!(it, Waits::Retry | Waits::Backoff));
            rows.extend(more.map(|it| ("waits for", self.waits(it))));
            rows.push(("filter", let_in(told)));
        }
        rows.push(("on disk", self.on_disk()));
        let same = matches!(told.disk, OnDisk::Here { as_known: Some(true), .. });
        if let Some(seen) = told.file.as_ref().and_then(|file| file.seen).filter(|_| !same) {
            rows.push(("ledger", self.size_and_time(seen.size, Timestamp(seen.mtime))));
        }
        rows.extend(told.last.as_ref().map(|run| ("last run", self.run(run))));
        let other = |run: &&RunInfo| told.last.as_ref().is_none_or(|last| last.run != run.run);
        rows.extend(told.processed.as_ref().filter(other).map(|run| ("processed", self.run(run))));
        rows.extend(told.details.iter().map(|detail| ("why", tame(detail).into_owned())));
        rows.extend(told.gaps.iter().map(|gap| ("open gap", open_gap(gap, self.now))));
        rows.extend(self.to_do(standing).map(|hint| ("to do", hint)));
        rows
    }

    fn name(&self) -> String {
        escape(self.told.watch.as_bytes()).into_owned()
    }

    fn answer(&self, standing: Standing) -> String {
        let told = self.told;
        match (standing, &told.file) {
            (Standing::KeptOut, _) => kept_out(told),
            (Standing::Moving, _) => "it was renamed away a moment ago, where to is not yet known; ask again".into(),
            (Standing::Hidden, _) => {
                "something is mounted over it, or its own file system is not mounted; it is kept, and \
                                      compared when it is seen again"
                    .into()
            }
            (Standing::NotAFile, _) if told.path == told.root => "this is the root of the watch".into(),
            (Standing::NotAFile, _) => match told.known {
                Some(FileType::Dir) => "a folder; commands run for the files in it".into(),
                Some(FileType::Symlink) => "a symbolic link is told, never followed; it runs no command".into(),
                _ => "pipes, sockets and devices are told, never opened; it runs no command".into(),
            },
            (Standing::File(state), Some(file)) => self.file(state, file),
            (Standing::Unknown | Standing::File(_), _) => self.unknown(),
        }
    }

    fn file(&self, state: FileState, file: &FileInfo) -> String {
        let told = self.told;
        let attempts = told.retries.saturating_add(1);
        let what = file.kind.map_or("change", |kind| kind.as_str());
        match state {
            FileState::Clean => self.clean(file),
            FileState::Settling => format!("it runs for its {what} when it is known to be complete"),
            FileState::Ready => format!("it runs for its {what} as soon as it may"),
            FileState::Backoff => {
                let when = file.due.map_or_else(|| "soon".into(), |due| relative(due, self.now));
                let next = file.attempts.saturating_add(1);
                format!("it failed and is tried again {when}, attempt {next} of {attempts}")
            }
            FileState::Failed => format!("it was set aside after {}", count(file.attempts.into(), "attempt")),
            FileState::Running => {
                let run = told.run.map_or_else(String::new, |run| format!(" {run}"));
                let again = if told.again { "; it changed since, so one more run follows" } else { "" };
                format!("run{run} is under way, attempt {} of {attempts}{again}", file.attempts.saturating_add(1))
            }
        }
    }

    /// Why nothing is to be done for a file.
    fn clean(&self, file: &FileInfo) -> String {
        let told = self.told;
        let now = match told.disk {
            OnDisk::Missing => Some("it is not there any more"),
            OnDisk::Here { as_known: Some(false), .. } => Some("it is another one by now"),
            _ => None,
        };
        if let Some(now) = now {
            return format!("as it was last seen nothing is to be done; {now}, which {}", self.found());
        }
        match told.runs_not {
            Some(RunsNot::NoCommand) => return "it is seen; the watch has no command to run".into(),
            Some(RunsNot::ReadyFile) => return "it says that another file is ready, and runs nothing itself".into(),
            Some(RunsNot::Size) => return "it runs nothing, since its size is out of --min-size and --max-size".into(),
            Some(RunsNot::Unchanged) => {
                let by = told.processed.as_ref().map_or_else(String::new, |run| format!(" by run {}", run.run));
                return format!("its last change left it as it was processed{by}, so nothing was run (--dedupe)");
            }
            Some(RunsNot::NotAFile) | None => {}
        }
        let kinds: Vec<_> = told.kinds.iter().map(|kind| kind.as_str()).collect();
        let kinds = kinds.join(",");
        let written = file.seen.map(|seen| Timestamp(seen.mtime));
        match (&told.processed, &told.last) {
            (Some(run), _) if written.is_none_or(|at| at <= run.started) => {
                format!("processed by run {}, {}", run.run, relative(ended(run), self.now))
            }
            (Some(run), _) => format!(
                "its change after run {} runs nothing: of the kinds, only {kinds} do; or somebody said drop or accept",
                run.run
            ),
            (None, Some(run)) => format!("taken as done after run {}: somebody said drop or accept", run.run),
            (None, None) if written.is_none_or(|at| at < told.added) => {
                "taken as done: it was there before the watch (--existing skip), or before its filters let it in".into()
            }
            (None, None) if told.by_many => {
                format!(
                    "nothing is to be done; `fsmonctl runs {}` tells its runs, which are for many files",
                    self.name()
                )
            }
            (None, None) => format!(
                "no run of it is kept: it was longer ago, its change was none of {kinds}, or somebody said drop or accept"
            ),
        }
    }

    /// How what differs from the ledger will be found.
    fn found(&self) -> &'static str {
        if self.told.unsettled {
            "is about to be looked at"
        } else if self.compares() {
            "is found by the next comparison"
        } else {
            "is found when the watch goes on"
        }
    }

    /// Whether the watch compares: not while it waits, is held, or hangs.
    fn compares(&self) -> bool {
        !matches!(self.told.state, WatchState::Held | WatchState::Stuck | WatchState::Waiting)
    }

    /// Whether it does so when it is asked to.
    fn obeys(&self) -> bool {
        self.compares() && self.told.state != WatchState::Paused
    }

    fn unknown(&self) -> String {
        match &self.told.disk {
            OnDisk::Here { .. } => format!("it is let in, and not yet known; it {}", self.found()),
            OnDisk::Unknown(_) => "it is let in, and nothing is known of it".into(),
            _ if self.told.last.is_some() => "it is not there any more, and nothing is to be done for it".into(),
            _ => "nothing is there, and nothing is to be done; it is let in when it appears".into(),
        }
    }

    fn waits(&self, waits: &Waits) -> String {
        let due = self.told.file.as_ref().and_then(|file| file.due);
        let look = due.map_or_else(String::new, |due| format!("; looked at again {}", relative(due, self.now)));
        match waits {
            Waits::Resume => format!("`fsmonctl resume {}`: the watch is paused", self.name()),
            Waits::Decision(why) => tame(why).into_owned(),
            Waits::Root => "the root of the watch, which is not there or not yet open".into(),
            Waits::Store(why) => format!("the database, which cannot be written: {}", tame(why)),
            Waits::Stop => "the next start: the daemon stops".into(),
            Waits::Mount => "the mount on which it is seen again".into(),
            Waits::Quiet => format!("quiet: nobody may write to it for --settle{look}"),
            Waits::Close => format!("its close by whoever writes to it, or quiet for --open-quiet{look}"),
            Waits::Writer => format!("its close: somebody has it open for writing{look}"),
            Waits::Same => format!("looking the same twice, since nobody can tell whether it is written{look}"),
            Waits::Age => format!("its age, by --min-age{look}"),
            Waits::ReadyFile(path) => format!("its ready file {path}"),
            Waits::Look => "the look before its run, which is under way".into(),
            Waits::Backoff => "the end of the pause after its failure".into(),
            Waits::Place(most) => format!("a place: {} of the watch, as by --concurrency", running(*most)),
            Waits::PlaceInAll(most) => format!("a place: {} in all, as by max-runs of the config", running(*most)),
            Waits::Turn => "its turn".into(),
            Waits::Workers(wanted) => {
                format!("a worker: none of {wanted} is up; `fsmonctl show` says why")
            }
            Waits::Breaker(failed, next) => {
                let next = next.map_or_else(String::new, |next| format!(", the next {}", relative(next, self.now)));
                format!(
                    "a run of the watch that succeeds: {} failed in a row, so one file at a time is tried{next}",
                    count((*failed).into(), "run")
                )
            }
            Waits::Pace => "its turn: `fsmonctl replay` gives it out again, behind what changes".into(),
            Waits::Lane(path) => format!("{path}, which has the same key and is before it"),
            Waits::Others(most) => {
                let when = due.map_or_else(String::new, |due| format!("; without them {}", relative(due, self.now)));
                format!("others for its batch of up to {}{when}", count((*most).into(), "file"))
            }
            Waits::Occurrence => {
                let when = self.told.next_due.map_or_else(|| "run-now".into(), |due| relative(due, self.now));
                format!("the next occurrence, {when}: the command runs once for the whole watch")
            }
            Waits::Retry => "a person".into(),
        }
    }

    fn on_disk(&self) -> String {
        let kept_out = !self.told.ruling.rule.lets_in();
        match &self.told.disk {
            OnDisk::Missing => "nothing".into(),
            OnDisk::Through(file_type, at) => format!("{at} is a {}, so nothing is below it", called(*file_type)),
            OnDisk::Unknown(why) => format!("not known: {}", tame(why)),
            OnDisk::Here { file_type, size: Some(size), mtime: Some(mtime), as_known } => {
                let same = match as_known {
                    Some(true) => ", as in the ledger",
                    Some(false) => ", not as in the ledger",
                    None => "",
                };
                format!("{}, {}{same}", called(*file_type), self.size_and_time(*size, *mtime))
            }
            OnDisk::Here { file_type, .. } if kept_out => format!("{}; no more of it is looked at", called(*file_type)),
            OnDisk::Here { file_type, .. } => called(*file_type).into(),
        }
    }

    fn size_and_time(&self, size: u64, mtime: Timestamp) -> String {
        format!("{}, modified {}", count(size, "byte"), relative(mtime, self.now))
    }

    fn run(&self, run: &RunInfo) -> String {
        let how = run.outcome.as_ref().map_or_else(String::new, |_| format!(", {}", outcome(run)));
        let when = relative(ended(run), self.now);
        format!("{}: {}{how}, attempt {}, {when} ({})", run.run, run.status.as_str(), run.attempt, run.trigger.as_str())
    }

    /// What a person can do about it, where anything is to be done.
    fn to_do(&self, standing: Standing) -> Option<String> {
        let told = self.told;
        let name = self.name();
        match standing {
            Standing::KeptOut => match told.ruling.rule {
                Rule::NotIncluded => Some(self.change("include", GLOBS)),
                Rule::Exclude => Some(self.change("exclude", GLOBS)),
                Rule::Hidden => Some(self.change("hidden", "")),
                Rule::NoRecursive => Some(self.change("recursive", "")),
                Rule::MaxDepth => Some(self.change("max-depth", "N")),
                Rule::Gitignore => Some(self.change("no-gitignore", "")),
                Rule::Through => Some("add a watch on the folder that it leads to".into()),
                _ => None,
            },
            Standing::File(FileState::Failed) => {
                let path = std::str::from_utf8(told.path.as_bytes())
                    .map_or_else(|_| "PATH".into(), |path| command(&[path.into()]));
                let logs = told
                    .last
                    .as_ref()
                    .map_or_else(String::new, |run| format!("`fsmonctl logs {}` says why; ", run.run));
                Some(format!("{logs}`fsmonctl retry {name} {path}` runs it again, and so does its next change"))
            }
            Standing::File(FileState::Backoff) => {
                told.last.as_ref().map(|run| format!("`fsmonctl logs {}` says why it failed", run.run))
            }
            Standing::NotAFile if told.path == told.root => Some(format!("`fsmonctl show {name}` tells all of it")),
            Standing::NotAFile => None,
            _ if told.unsettled || matches!(told.disk, OnDisk::Missing | OnDisk::Unknown(_)) => None,
            Standing::Unknown if self.obeys() => Some(format!("`fsmonctl run-now {name}` compares now")),
            Standing::File(FileState::Clean)
                if self.obeys() && matches!(told.disk, OnDisk::Here { as_known: Some(false), .. }) =>
            {
                Some(format!("`fsmonctl run-now {name}` compares now"))
            }
            Standing::File(FileState::Clean) if told.runs_not == Some(RunsNot::NoCommand) => {
                Some(format!("`fsmonctl set {name} -- COMMAND…` gives it one, for what changes from then on"))
            }
            _ => None,
        }
    }

    /// How an option of the watch is changed.
    fn change(&self, option: &str, value: &str) -> String {
        let name = self.name();
        match self.told.defined_by {
            DefinedBy::Config => {
                let option = option.strip_prefix("no-").unwrap_or(option);
                format!("change {option} of '{name}' in the config file, then `fsmonctl reload`")
            }
            DefinedBy::Runtime => {
                let list = format!(" takes a new list (`fsmonctl show {name}` has the one there is)");
                let what = if value == GLOBS { list.as_str() } else { " lets it in" };
                let given = format!("fsmonctl set {name} --{option} {value}");
                format!("`{}`{what}; with --dry-run it only says what would follow", given.trim_end())
            }
        }
    }
}

/// The rule that keeps a path out, as a clause.
fn kept_out(told: &Explained) -> String {
    let ruling = &told.ruling;
    let above = ruling.at != told.path;
    let it = if above { ruling.at.to_string() } else { "it".into() };
    let pattern = ruling.pattern.as_deref().map(|pattern| format!("'{}'", escape(pattern.as_bytes())));
    match (ruling.rule, pattern) {
        (Rule::NotIncluded, Some(pattern)) => format!("the pattern {pattern} of --include takes {it} back"),
        (Rule::NotIncluded, None) => "no pattern of --include matches it".into(),
        (Rule::Exclude, pattern) => {
            let folder = if above { format!("the folder {it}, which is not entered") } else { it };
            format!("the pattern {} of --exclude matches {folder}", pattern.unwrap_or_default())
        }
        (Rule::Hidden, _) if above => format!("the name of {it} begins with a dot, and the watch has --no-hidden"),
        (Rule::Hidden, _) => "its name begins with a dot, and the watch has --no-hidden".into(),
        (Rule::NoRecursive, _) => format!("{it} is a folder below the root, and the watch has --no-recursive"),
        (Rule::MaxDepth, _) => format!("{it} is a folder deeper down than --max-depth"),
        (Rule::Own, _) => "it is fsmond's own, which is never watched".into(),
        (Rule::Pseudo, _) => "it is on a pseudo file system, which is never entered".into(),
        (Rule::Through, _) => format!("{it} is no folder; what a symbolic link leads to is not below it"),
        (Rule::Gitignore, pattern) => {
            let what = if above { format!("the folder {it}, which is not entered") } else { it };
            match &ruling.line {
                Some((file, line)) => {
                    format!("the pattern {} in line {line} of {file} ignores {what}", pattern.unwrap_or_default())
                }
                None => format!("the watch has --gitignore, which leaves out git's own: {what}"),
            }
        }
        (Rule::All | Rule::Include | Rule::ReadyFile, _) => "nothing keeps it out".into(),
    }
}

/// The rule that lets it in, as a clause.
fn let_in(told: &Explained) -> String {
    let ruling = &told.ruling;
    let pattern = ruling.pattern.as_deref().map(|pattern| format!("'{}'", escape(pattern.as_bytes())));
    match (ruling.rule, pattern) {
        (Rule::Include, Some(pattern)) if ruling.at != told.path => {
            format!("the pattern {pattern} of --include matches {}", ruling.at)
        }
        (Rule::Include, Some(pattern)) => format!("the pattern {pattern} of --include matches"),
        (Rule::ReadyFile, _) => "let in as a ready file".into(),
        (_, Some(pattern)) => format!("the pattern {pattern} of --exclude takes it back"),
        (_, None) => "nothing keeps it out".into(),
    }
}

fn running(most: u32) -> String {
    if most == 1 { "1 command runs".into() } else { format!("{} run", count(most.into(), "command")) }
}

const fn called(file_type: FileType) -> &'static str {
    match file_type {
        FileType::File => "file",
        FileType::Dir => "folder",
        FileType::Symlink => "symbolic link",
        FileType::Other => "pipe, socket or device",
    }
}
