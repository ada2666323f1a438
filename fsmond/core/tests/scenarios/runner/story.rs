//! Reads a story line by line and acts it out: what happens to the files and to the daemon goes in, and every
//! outcome must have been expected before the next thing happens.

use std::collections::BTreeMap;
use std::sync::Arc;

use fsmon_core::io::{Answer, Command, ComparedTo, Comparison, FoldersQuery, Name, Settings, WatchId};
use fsmon_protocol::RawPath;
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::run::{Answer as WorkerAnswer, Outcome as Ended};
use fsmon_protocol::spec::{Options, WatchSpec};
use fsmon_protocol::status::DefinedBy;
use fsmon_protocol::units::SpanOrOff;

use crate::commands::End;
use crate::daemon::{Daemon, WALL};
use crate::outcome::Outcome;
use crate::words::{again, options_from, shown, span, span_since_start};

/// One line of a story.
#[derive(Clone)]
struct Line {
    number: usize,
    text: String,
}

pub struct Story {
    daemon: Daemon,
    /// Watches by name.
    watches: BTreeMap<String, WatchId>,
    /// What `$name` stands for.
    names: BTreeMap<String, String>,
    /// The last outcome that was expected and came.
    last: Option<Outcome>,
}

/// Acts a story out. The error says what was expected and what came, and all that led to it.
pub fn act(text: &str) -> Result<(), String> {
    let mut story = Story { daemon: Daemon::new(), watches: BTreeMap::new(), names: BTreeMap::new(), last: None };
    let lines: Vec<Line> = text
        .lines()
        .enumerate()
        .map(|(i, line)| Line { number: i + 1, text: line.split('#').next().unwrap_or_default().trim().to_owned() })
        .filter(|line| !line.text.is_empty() && !line.text.starts_with("known-difference:"))
        .collect();
    let result = story.lines(&lines).and_then(|()| story.end(lines.last().map_or(1, |line| line.number)));
    result.map_err(|(number, why)| {
        let before = story.daemon.story.join("\n");
        format!("line {number}: {why}\n    all that happened:\n{before}")
    })
}

type Fault = (usize, String);

impl Story {
    fn lines(&mut self, lines: &[Line]) -> Result<(), Fault> {
        let mut i = 0;
        while let Some(line) = lines.get(i) {
            i += 1;
            let Some(times) = line.text.strip_prefix("repeat ") else {
                self.daemon.story.push(format!("{:>4}  {}", line.number, line.text));
                self.line(&line.text).map_err(|why| (line.number, format!("{}\n    {why}", line.text)))?;
                continue;
            };
            let length = lines[i..].iter().position(|line| line.text == "end");
            let length = length.ok_or((line.number, "repeat without end".to_owned()))?;
            let times: usize = times.parse().map_err(|_| (line.number, "repeat how often?".to_owned()))?;
            for n in 1..=times {
                let body: Vec<Line> = lines[i..i + length]
                    .iter()
                    .map(|line| Line { text: line.text.replace("{n}", &n.to_string()), ..line.clone() })
                    .collect();
                self.lines(&body)?;
            }
            i += length + 1;
        }
        Ok(())
    }

    fn end(&mut self, number: usize) -> Result<(), Fault> {
        self.all_expected().map_err(|why| (number, format!("the end of the story\n    {why}")))?;
        match self.daemon.unanswered() {
            0 => Ok(()),
            n => Err((number, format!("{n} commands were never answered"))),
        }
    }

    fn all_expected(&self) -> Result<(), String> {
        match self.daemon.outcomes.front() {
            None => Ok(()),
            Some(came) => Err(format!("expected  nothing more\n    came      {came}")),
        }
    }

    fn line(&mut self, text: &str) -> Result<(), String> {
        let (verb, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        match verb {
            "told" | "workers" | "starts" | "kills" | "puts" | "removed" | "counted" | "done" | "refused" => {
                return self.expect(text);
            }
            "says" => return self.says(rest),
            "nothing" => return self.all_expected(),
            "skip" => return self.skip(rest),
            "shows" => return self.shows(rest),
            "sweep" => return self.sweep(rest),
            "verify" => return self.verify(rest),
            "explain" => return self.explain(rest),
            _ => {}
        }
        self.all_expected()?;
        match verb {
            "at" => self.at(0, rest),
            "after" => self.at(self.daemon.time(), rest),
            "clock" => self.clock(rest),
            "watch" => self.watch(rest),
            "add" => self.add(rest),
            "configure" => self.configure(rest),
            "say" => self.say(rest),
            "limit" => self.limit(rest),
            "ends" => self.ends(rest),
            "up" => self.up(rest),
            "hold" => {
                self.daemon.held.insert(rest.to_owned());
                Ok(())
            }
            "release" => {
                self.daemon.held.remove(rest);
                self.daemon.pump()
            }
            "store" => self.daemon.store_fails(rest == "fails"),
            "crash" => {
                self.daemon.crash();
                Ok(())
            }
            "leases" => {
                self.daemon.disk.leases = true;
                Ok(())
            }
            "forget" => {
                self.daemon.stored.journal.clear();
                Ok(())
            }
            "start" => self.daemon.start(),
            _ => self.files(verb, rest),
        }
    }

    // ---------------------------------------------------------------------------------------------------- expecting

    fn expect(&mut self, text: &str) -> Result<(), String> {
        let Some(came) = self.daemon.outcomes.pop_front() else {
            return Err(format!("expected  {text}\n    came      nothing"));
        };
        if let Some(why) = came.differs(text, &mut self.names) {
            return Err(format!("expected  {text}\n    came      {came}\n    since     {why}"));
        }
        self.last = Some(came);
        Ok(())
    }

    /// What is said to people with the outcome before this line.
    fn says(&self, part: &str) -> Result<(), String> {
        let said = self.last.as_ref().map_or("", |last| &last.detail);
        if said.contains(part) { Ok(()) } else { Err(format!("expected  …{part}…\n    came      {said}")) }
    }

    /// `skip 100 told create`: so many outcomes that begin so. `skip`: all that came.
    fn skip(&mut self, rest: &str) -> Result<(), String> {
        let Some((n, words)) = rest.split_once(' ') else {
            self.daemon.outcomes.clear();
            return Ok(());
        };
        let n: usize = n.parse().map_err(|_| "skip how many?")?;
        let words: Vec<&str> = words.split_whitespace().collect();
        for i in 0..n {
            match self.daemon.outcomes.pop_front() {
                Some(came) if came.begins(&words) => {}
                Some(came) => return Err(format!("number {} of them is something else: {came}", i + 1)),
                None => return Err(format!("there were only {i} of them")),
            }
        }
        Ok(())
    }

    fn shows(&mut self, rest: &str) -> Result<(), String> {
        let (name, wanted) = rest.split_once(' ').ok_or("shows WATCH key=value…")?;
        let answer = self.daemon.ask(Command::Show(vec![name.to_owned()]))?;
        let Answer::Watches(all) = answer else { return Err("it showed something else".to_owned()) };
        let status = all.first().ok_or("it showed nothing")?;
        let next = status.next_due.map(|due| span_since_start(due.0));
        self.compare(&shown(status).with("next", next.unwrap_or_else(|| "never".to_owned())), wanted)?;
        self.last = Some(Outcome::new(self.daemon.time(), &[]).saying(status.details.join("; ")));
        Ok(())
    }

    /// `verify WATCH untold:a gone:b`: what differs now, and nothing else.
    fn verify(&mut self, rest: &str) -> Result<(), String> {
        let mut wanted: Vec<&str> = rest.split_whitespace().collect();
        let name = if wanted.is_empty() { return Err("verify which?".to_owned()) } else { wanted.remove(0) };
        let query = FoldersQuery { watches: vec![name.to_owned()], from: (WatchId(0), 0) };
        let Answer::Folders(Some(page)) = self.daemon.ask(Command::Folders(query))? else {
            return Err("it told no folders".to_owned());
        };
        let mut came = Vec::new();
        for (folder, path) in page.folders {
            let inode = self.daemon.disk.resolve(page.root.join(path.as_bytes()).as_bytes());
            let entries = inode.map_or_else(Vec::new, |inode| self.daemon.disk.entries(inode));
            let mut entries: Vec<_> = entries.into_iter().map(|(n, i)| (n, self.daemon.disk.stat(i))).collect();
            entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            let entries = Arc::new(entries);
            let mut from = Some(ComparedTo::Entry(0));
            while let Some(at) = from {
                let comparison = Comparison { watch: page.watch, folder, entries: Arc::clone(&entries), from: at };
                let Answer::Compared(compared) = self.daemon.ask(Command::Compare(comparison))? else {
                    return Err("it compared nothing".to_owned());
                };
                from = compared.next;
                let root = format!("{}/", page.root.text());
                let rel = |path: &RawPath| path.text().strip_prefix(&root).unwrap_or(".").to_owned();
                came.extend(compared.different.iter().map(|is| format!("{}:{}", is.kind.as_str(), rel(&is.path))));
            }
        }
        came.sort_unstable();
        wanted.sort_unstable();
        if came == wanted {
            Ok(())
        } else {
            Err(format!("expected  {}\n    came      {}", wanted.join(" "), came.join(" ")))
        }
    }

    /// `explain PATH key=value…` of each watch that covers it, `/` between them.
    fn explain(&mut self, rest: &str) -> Result<(), String> {
        let (path, wanted) = rest.split_once(' ').ok_or("explain PATH key=value…")?;
        let full = self.full(path);
        let Answer::Covering(all) = self.daemon.ask(Command::Covering(full.as_str().into()))? else {
            return Err("it told something else".to_owned());
        };
        let seen = all.into_iter().map(|one| {
            let sighting = self.daemon.sighting(&one);
            (one, sighting)
        });
        let Answer::Explained(told) = self.daemon.ask(Command::Explain(seen.collect()))? else {
            return Err("it explained nothing".to_owned());
        };
        let wanted: Vec<&str> = wanted.split(" / ").collect();
        if wanted.len() != told.len() {
            return Err(format!("{} watches cover it", told.len()));
        }
        let mut said = Vec::new();
        for (wanted, (_, _, told)) in wanted.into_iter().zip(told) {
            self.compare(&Outcome::explained(&told, self.daemon.time(), &self.daemon.frame), wanted)?;
            said.extend(told.details);
        }
        self.last = Some(Outcome::new(self.daemon.time(), &[]).saying(said.join("; ")));
        Ok(())
    }

    fn sweep(&mut self, wanted: &str) -> Result<(), String> {
        let answer = self.daemon.ask(Command::Sweep(self.daemon.last_sweep()))?;
        let Answer::Sweep(sweep) = answer else { return Err("it told something else".to_owned()) };
        let outcome = Outcome::new(self.daemon.time(), &[])
            .with("stage", format!("{:?}", sweep.stage).to_lowercase())
            .with("looked", sweep.looked)
            .with("pending", sweep.pending)
            .with("ok", sweep.ok)
            .with("failed", sweep.failed)
            .with("vanished", sweep.vanished)
            .with("set-aside", sweep.set_aside)
            .with("not-run", sweep.not_run)
            .with("not-ready", sweep.not_ready);
        self.compare(&outcome, wanted)
    }

    fn compare(&mut self, outcome: &Outcome, wanted: &str) -> Result<(), String> {
        let differs = outcome.differs(wanted, &mut self.names);
        differs.map_or(Ok(()), |why| Err(format!("expected  {wanted}\n    came      {outcome}\n    since     {why}")))
    }

    // ------------------------------------------------------------------------------------------------------- acting

    /// `at 5ms` alone, or with something that happens then; `after 5ms` counts from now.
    fn at(&mut self, from: u64, rest: &str) -> Result<(), String> {
        let (when, what) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        self.daemon.pass_until(from + span(when)?)?;
        if what.is_empty() {
            return Ok(());
        }
        self.line(what.trim())
    }

    /// Somebody sets the wall clock: `clock +3h`.
    fn clock(&mut self, by: &str) -> Result<(), String> {
        let (sign, by) = by.split_at(1);
        let nanos = i64::try_from(span(by)?).map_err(|error| error.to_string())?;
        self.daemon.disk.wall += if sign == "-" { -nanos } else { nanos };
        Ok(())
    }

    /// A folder is watched, and its first scan is done: what the story begins with.
    fn watch(&mut self, rest: &str) -> Result<(), String> {
        let root = rest.split_whitespace().next().unwrap_or_default();
        self.daemon.disk.mkdirs(root)?;
        self.add(rest)?;
        self.expect("told watch added")?;
        self.expect("told watch ready")?;
        self.all_expected()
    }

    fn add(&mut self, rest: &str) -> Result<(), String> {
        let (path, options) = rest.split_once(' ').unwrap_or((rest, ""));
        if self.watches.is_empty() {
            let file = self.daemon.disk.resolve(path.as_bytes()).is_some_and(|i| !self.daemon.disk.is_dir(i));
            let root = if file { path.rsplit_once('/').map_or("", |(folder, _)| folder) } else { path };
            root.clone_into(&mut self.daemon.frame.root);
            self.daemon.disk.wall = WALL + i64::try_from(self.daemon.time()).unwrap_or_default();
        }
        let (spec, only) = self.spec(path, options)?;
        let id = WatchId(u32::try_from(self.watches.len()).unwrap_or_default() + 1);
        self.watches.insert(spec.name.clone(), id);
        self.daemon.command(Command::Add { spec, defined_by: DefinedBy::Runtime, only })
    }

    /// A watch of the config, which is not in it from `say detach` on.
    fn configure(&mut self, rest: &str) -> Result<(), String> {
        let (path, options) = rest.split_once(' ').unwrap_or((rest, ""));
        self.daemon.disk.mkdirs(path)?;
        let (spec, only) = self.spec(path, options)?;
        if let Some(kept) = self.daemon.stored.kept(&spec.name) {
            return self.daemon.command(Command::Attach { spec, only, kept: Box::new(kept) });
        }
        path.clone_into(&mut self.daemon.frame.root);
        self.daemon.disk.wall = WALL + i64::try_from(self.daemon.time()).unwrap_or_default();
        self.daemon.command(Command::Add { spec, defined_by: DefinedBy::Config, only })
    }

    fn spec(&self, path: &str, options: &str) -> Result<(WatchSpec, Option<Name>), String> {
        let (name, options) = options_from(options)?;
        let name = name.unwrap_or_else(|| path.rsplit('/').next().unwrap_or_default().to_owned());
        // A path that names a file is watched by its folder.
        let there = self.daemon.disk.resolve(path.as_bytes()).is_some_and(|i| !self.daemon.disk.is_dir(i));
        let only = there.then(|| path.rsplit('/').next().unwrap_or_default().as_bytes().into());
        Ok((WatchSpec { name, path: path.to_owned(), options }, only))
    }

    fn say(&mut self, rest: &str) -> Result<(), String> {
        let mut words = rest.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let mut wanted: Vec<String> = words.map(str::to_owned).collect();
        let mut flag = |flag: &str| {
            let there = wanted.iter().any(|w| w == flag);
            wanted.retain(|w| w != flag);
            there
        };
        let (kill, all_files) = (flag("--kill"), flag("--all-files"));
        let first = wanted.first().cloned().unwrap_or_default();
        let command = match verb {
            "pause" => Command::Pause(wanted),
            "resume" => Command::Resume(wanted),
            "remove" => Command::Remove { watches: wanted, kill, by: DefinedBy::Runtime },
            "run-now" => Command::RunNow { watches: wanted, all_files },
            "replay" => Command::GiveAgain(again(first, &wanted[1..], self.daemon.time())?),
            "set" => {
                let (unset, given) = wanted[1..].iter().partition::<Vec<&String>, _>(|w| w.starts_with("--unset="));
                let unset = unset.iter().map(|w| w["--unset=".len()..].to_owned()).collect();
                let given: Vec<&str> = given.into_iter().map(String::as_str).collect();
                let (_, options) = options_from(&given.join(" "))?;
                Command::Set { watch: first, options, unset, by: DefinedBy::Runtime }
            }
            "set-interval" => {
                let every: SpanOrOff = wanted.get(1).ok_or("how often?")?.parse().map_err(|e| format!("{e}"))?;
                Command::SetInterval(first, every)
            }
            "retry" | "drop" => {
                let paths = wanted[1..].iter().map(|path| self.full(path).as_str().into()).collect();
                if verb == "retry" {
                    Command::Retry { watch: first, paths }
                } else {
                    Command::GiveUp { watch: first, paths }
                }
            }
            "accept" => Command::Accept(first),
            "detach" => Command::Detach(first),
            "stop" => Command::Stop,
            other => return Err(format!("nobody can say '{other}'")),
        };
        self.daemon.command(command)
    }

    fn limit(&mut self, rest: &str) -> Result<(), String> {
        let (what, n) = rest.split_once('=').ok_or("limit runs=N or watches=N")?;
        let n: u32 = n.parse().map_err(|_| "limit to how many?")?;
        match what {
            "runs" => {
                let settings = Settings { defaults: Options::default(), max_runs: n };
                self.daemon.command(Command::Settings(settings))?;
                self.expect("done")
            }
            "watches" => {
                self.daemon.disk.watches = usize::try_from(n).unwrap_or(usize::MAX);
                Ok(())
            }
            _ => Err(format!("there is no limit of {what}")),
        }
    }

    fn ends(&mut self, rest: &str) -> Result<(), String> {
        let (path, how) = rest.split_once(' ').ok_or("ends PATH exit=N|timeout|interrupted|signal=N|unstarted")?;
        let outcome = match how.split_once('=').unwrap_or((how, "")) {
            ("exit", code) => Ended::Exited(code.parse().map_err(|_| "exit with what?")?),
            ("signal", number) => Ended::Signalled(number.parse().map_err(|_| "which signal?")?),
            ("timeout", _) => Ended::TimedOut,
            ("interrupted", _) => Ended::Interrupted,
            ("answers", answer) => Ended::Answered(
                match answer {
                    "ok" => WorkerAnswer::Ok,
                    "retry" => WorkerAnswer::Retry,
                    "fail" => WorkerAnswer::Fail,
                    _ => return Err("answers ok, retry or fail?".to_owned()),
                },
                None,
            ),
            ("breaks", _) => Ended::WorkerFailed("exit 1".to_owned()),
            ("vanished", _) => return self.daemon.end_run(&self.full(path), End::Vanished),
            ("put-off", _) => return self.daemon.end_run(&self.full(path), End::PutOff),
            ("unstarted", _) => Ended::NotStarted("no such program".to_owned()),
            (other, _) => return Err(format!("no command ends by '{other}'")),
        };
        self.daemon.end_run(&self.full(path), End::Ran(outcome))
    }

    /// `up WATCH 1/2`: so many of its workers are there.
    fn up(&mut self, rest: &str) -> Result<(), String> {
        let (name, count) = rest.split_once(' ').ok_or("up WATCH N/M")?;
        let id = *self.watches.get(name).ok_or("up which watch?")?;
        let (up, wanted) = count.split_once('/').ok_or("how many of how many?")?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| "how many are up?".to_owned());
        self.daemon.workers(id, number(wanted)?, number(up)?)
    }

    fn full(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.daemon.frame.root) }
    }

    /// What happens to files. `silently`: without any event.
    fn files(&mut self, verb: &str, rest: &str) -> Result<(), String> {
        if verb == "silently" {
            self.daemon.disk.silent = true;
            let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let result = self.files(verb, rest);
            self.daemon.disk.silent = false;
            return result;
        }
        let mut words = rest.split_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let third = words.next().unwrap_or_default();
        let (path, other) = (self.full(first), self.full(second));
        let size = || second.parse::<u64>().map_err(|_| format!("{verb} {first} needs a size"));
        let ids: Vec<WatchId> = self.watches.values().copied().collect();
        let disk = &mut self.daemon.disk;
        match verb {
            "create" => disk.create(&path, FileType::File)?,
            "write" => disk.write(&path, size()?, third)?,
            "close" => disk.close(&path)?,
            "save" => {
                if disk.resolve(path.as_bytes()).is_none() {
                    disk.create(&path, FileType::File)?;
                }
                disk.write(&path, size()?, third)?;
                disk.close(&path)?;
            }
            "rules" => disk.rules(&path, &rest.split_whitespace().skip(1).collect::<Vec<_>>())?,
            "touch" if !second.is_empty() => disk.touch_like(&path, &other)?,
            "touch" => disk.touch(&path)?,
            "chmod" | "readable" => disk.chmod(&path, true)?,
            "unreadable" => disk.chmod(&path, false)?,
            "mkdir" => disk.create(&path, FileType::Dir)?,
            "mkdirs" => disk.mkdirs(&path)?,
            "symlink" => disk.create(&path, FileType::Symlink)?,
            "fifo" => disk.create(&path, FileType::Other)?,
            "link" => disk.link(&path, &other)?,
            "rm" => disk.remove(&path)?,
            "rename" => disk.rename(&path, &other)?,
            "mount" => disk.mount(&path)?,
            "unmount" => disk.unmount(&path)?,
            "overflow" => disk.overflow(&ids),
            _ => return Err(format!("no story knows '{verb}'")),
        }
        self.daemon.pump()
    }
}
