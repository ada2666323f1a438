//! How watches, runs and the daemon read for people.

use fsmon_protocol::Timestamp;
use fsmon_protocol::path::{escape, tame};
use fsmon_protocol::run::RunInfo;
use fsmon_protocol::spec::{Mode, Rules};
use fsmon_protocol::status::{DaemonStatus, DefinedBy, WatchState, WatchStatus, Workers};

use super::gaps::open_gap;
use super::table::Sheet;
use super::text::{clock, command, count, moment, number, outcome, relative, rough, took};
use super::{Out, json};
use crate::failure::Failure;

impl Out {
    /// All watches: a table, or one object each.
    pub fn watches(&self, watches: &[WatchStatus]) -> Result<(), Failure> {
        if self.is_json() {
            return watches.iter().try_for_each(|watch| self.object(watch));
        }
        let now = Timestamp::now();
        let header = ["NAME", "STATE", "FILES", "PENDING", "FAILED", "EVERY", "NEXT", "PATH", "COMMAND"];
        let mut sheet = Sheet::new(&header, &[7, 8]);
        for watch in watches {
            let next = watch.next_due.map_or_else(|| "-".into(), |due| relative(due, now));
            sheet.row(vec![
                escape(watch.name.as_bytes()).into_owned(),
                watch.state.as_str().into(),
                number(watch.files),
                number(watch.pending),
                number(watch.failed),
                watch
                    .rules
                    .cron
                    .as_ref()
                    .map_or_else(|| watch.rules.every.to_string(), |line| escape(line.as_bytes()).into()),
                next,
                escape(watch.path.as_bytes()).into_owned(),
                if watch.rules.command.is_empty() { "-".into() } else { command(&watch.rules.command) },
            ]);
        }
        let mut lines = sheet.lines().into_iter();
        if let Some(header) = lines.next() {
            self.line(&self.style().bold(&header))?;
        }
        // A name has no space in it, so that the first word after it is the state.
        for (line, watch) in lines.zip(watches) {
            let (name, rest) = line.split_at(line.find(' ').unwrap_or(line.len()));
            let rest = rest.replacen(watch.state.as_str(), &self.style().state(watch.state), 1);
            self.line(&format!("{name}{rest}"))?;
        }
        Ok(())
    }

    /// One watch, whole.
    pub fn watch(&self, watch: &WatchStatus) -> Result<(), Failure> {
        if self.is_json() {
            return self.object(watch);
        }
        let rows = about(watch, self.style().state(watch.state)).into_iter().chain(rules(watch));
        let rows: Vec<_> = rows.collect();
        self.pairs(&rows)
    }

    /// Keys and values, the values in one column.
    pub fn pairs(&self, rows: &[(&str, String)]) -> Result<(), Failure> {
        let width = rows.iter().map(|(key, _)| key.len()).max().unwrap_or(0) + 1;
        for (key, value) in rows {
            self.line(&format!("{:width$} {value}", format!("{key}:")))?;
        }
        Ok(())
    }

    /// What is odd about the command of a watch that was added or changed all the same.
    pub fn doubts(&self, watch: &WatchStatus) {
        for why in &watch.warnings {
            let name = escape(watch.name.as_bytes());
            let text = format!(
                "the command can't be started as it is: {}; until it can, the runs of '{name}' fail",
                tame(why)
            );
            self.warning(&text, &serde_json::json!({"warning": text}));
        }
    }

    /// The daemon at a glance.
    pub fn daemon(&self, daemon: &DaemonStatus) -> Result<(), Failure> {
        if self.is_json() {
            return self.object(daemon);
        }
        let text = |text: &str| escape(text.as_bytes()).into_owned();
        let c = &daemon.counters;
        let sum = |of: fn(&WatchStatus) -> u64| number(daemon.watches.iter().map(of).sum());
        let mut rows = vec![
            ("fsmond", format!("{}, pid {}, uid {}", text(&daemon.version), daemon.pid, daemon.uid)),
            ("up", format!("{}, since {}", rough(daemon.uptime.0), clock(daemon.started))),
            ("socket", text(&daemon.socket)),
            ("state", text(&daemon.state_dir)),
            ("config", daemon.config.as_deref().map_or_else(|| "none".into(), text)),
            ("log", format!("{}, level {}", daemon.log_file.as_deref().map_or("none".into(), text), daemon.log_level)),
            (
                "store",
                match &daemon.store_error {
                    None => format!("{}, last record {}", self.style().good("writes"), daemon.last_seq),
                    Some(why) => format!("{}: {}", self.style().bad("cannot write"), tame(why)),
                },
            ),
            ("watches", format!("{}{}", number(daemon.watches.len() as u64), states(&daemon.watches))),
            (
                "files",
                format!(
                    "{}, {} pending, {} running, {} failed",
                    sum(|w| w.files),
                    sum(|w| w.pending),
                    sum(|w| w.running),
                    sum(|w| w.failed)
                ),
            ),
            (
                "since start",
                format!(
                    "{}, {}, {} ({} failed)",
                    count(c.hints, "kernel event"),
                    count(c.records, "record"),
                    count(c.runs, "run"),
                    number(c.runs_failed)
                ),
            ),
        ];
        rows.extend(all_workers(&daemon.watches).map(|all| ("workers", workers(&all))));
        if c.overflows > 0 {
            rows.push(("overflows", format!("{}; each was followed by a scan", number(c.overflows))));
        }
        if c.log_lines_dropped > 0 {
            rows.push(("log lines", format!("{} counted instead of written", number(c.log_lines_dropped))));
        }
        self.pairs(&rows)?;
        let now = Timestamp::now();
        for watch in &daemon.watches {
            for gap in &watch.gaps {
                let open = self.style().bad("open gap");
                self.line(&format!("{} has an {open}: {}", text(&watch.name), open_gap(gap, now)))?;
            }
        }
        for watch in daemon.watches.iter().filter(|watch| !watch.details.is_empty()) {
            for detail in &watch.details {
                let state = self.style().state(watch.state);
                self.line(&format!("{} is {state}: {}", text(&watch.name), tame(detail)))?;
            }
        }
        Ok(())
    }

    /// Runs: a table, or one object each.
    pub fn runs(&self, runs: &[RunInfo]) -> Result<(), Failure> {
        if self.is_json() {
            return runs.iter().try_for_each(|run| self.object(&json::run(run)));
        }
        let now = Timestamp::now();
        let header = ["RUN", "WATCH", "STATUS", "ENDED", "TRY", "TRIGGER", "STARTED", "TOOK", "PATH"];
        let mut sheet = Sheet::new(&header, &[3, 8]);
        for run in runs {
            sheet.row(vec![
                run.run.to_string(),
                escape(run.watch.as_bytes()).into_owned(),
                run.status.as_str().into(),
                outcome(run),
                run.attempt.to_string(),
                run.trigger.as_str().into(),
                relative(run.started, now),
                run.ms.map_or_else(|| "-".into(), took),
                files_of(run),
            ]);
        }
        let mut lines = sheet.lines().into_iter();
        if let Some(header) = lines.next() {
            self.line(&self.style().bold(&header))?;
        }
        for (line, run) in lines.zip(runs) {
            // The status stands behind the watch's name, in which the same word may be.
            let word = run.status.as_str();
            let behind = line.find(&*run.watch).map_or(0, |at| at + run.watch.len());
            let (before, after) = line.split_at(behind);
            self.line(&format!("{before}{}", after.replacen(word, &self.style().run(run.status), 1)))?;
        }
        Ok(())
    }
}

/// What a run was for: its file; how many files a batch had; the root and how many changes a run for the whole watch had.
fn files_of(run: &RunInfo) -> String {
    match (&run.path, run.files) {
        (Some(path), None) => path.to_string(),
        (Some(root), Some(changes)) => format!("{root} ({})", count(changes, "change")),
        (None, Some(files)) => count(files, "file"),
        (None, None) => "-".into(),
    }
}

/// How many watches are in which state, as ` (2 watching, 1 held)`; nothing where there are none.
fn states(watches: &[WatchStatus]) -> String {
    use WatchState::{Degraded, Held, Paused, Scanning, Waiting, Watching};
    let told: Vec<String> = [Watching, Scanning, Degraded, Waiting, Held, Paused]
        .into_iter()
        .map(|state| (state, watches.iter().filter(|w| w.state == state).count()))
        .filter(|(_, n)| *n > 0)
        .map(|(state, n)| format!("{n} {}", state.as_str()))
        .collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
}

/// How it goes with a watch.
fn about(watch: &WatchStatus, state: String) -> Vec<(&'static str, String)> {
    let now = Timestamp::now();
    let when = |time: Option<Timestamp>, none: &str| time.map_or_else(|| none.into(), |time| moment(time, now));
    let mut rows = vec![
        ("name", escape(watch.name.as_bytes()).into_owned()),
        ("path", escape(watch.path.as_bytes()).into_owned()),
        ("state", state),
    ];
    rows.extend(watch.details.iter().map(|detail| ("why", tame(detail).into_owned())));
    let trouble = watch.workers.as_ref().and_then(|workers| workers.trouble.as_ref());
    rows.extend(trouble.map(|why| ("why", tame(why).into_owned())));
    if let Some(scan) = &watch.scan {
        let left = count(scan.folders_left, "folder");
        rows.push(("scan", format!("{} looked at, {left} to go", number(scan.looked))));
    }
    rows.extend([
        (
            "defined by",
            match watch.defined_by {
                DefinedBy::Runtime => "fsmonctl add".into(),
                DefinedBy::Config => "the config file".into(),
            },
        ),
        ("backend", watch.backend.as_str().into()),
        (
            "found",
            format!(
                "{} in {}, {} armed",
                count(watch.files, "file"),
                count(watch.folders, "folder"),
                number(watch.armed)
            ),
        ),
        (
            "work",
            format!(
                "{} pending, {} running, {} failed",
                number(watch.pending),
                number(watch.running),
                number(watch.failed)
            ),
        ),
        ("workers", watch.workers.as_ref().map_or_else(|| "none".into(), workers)),
        ("transient", format!("{} created and gone before they were due", count(watch.transient, "file"))),
        ("unchanged", format!("{} ran nothing, by --dedupe", count(watch.unchanged, "change"))),
        (
            "open gaps",
            match watch.gaps.as_slice() {
                [] => "none".into(),
                gaps => gaps.iter().map(|gap| open_gap(gap, now)).collect::<Vec<_>>().join("; "),
            },
        ),
        ("last compared", when(watch.last_reconcile, "never")),
        ("last occurrence", when(watch.last_due, "none yet")),
        ("next occurrence", when(watch.next_due, "none")),
        ("next dates", if watch.next_dates.is_empty() { "none".into() } else { watch.next_dates.join("  ") }),
        ("added", moment(watch.added, now)),
    ]);
    rows
}

/// The workers of all watches together, where there are any.
fn all_workers(watches: &[WatchStatus]) -> Option<Workers> {
    let all = watches.iter().filter_map(|watch| watch.workers.as_ref());
    let sum = all.fold(Workers::default(), |sum, workers| Workers {
        wanted: sum.wanted + workers.wanted,
        up: sum.up + workers.up,
        restarts: sum.restarts + workers.restarts,
        trouble: None,
    });
    (sum.wanted > 0).then_some(sum)
}

/// How the workers of a watch are: `3 of 4 up, 2 restarts`.
fn workers(workers: &Workers) -> String {
    let Workers { wanted, up, restarts, .. } = workers;
    format!("{} of {} up, {}", number((*up).into()), number((*wanted).into()), count(*restarts, "restart"))
}

/// The rules of a watch, each under the name of its option. What is as nobody would ask is left out.
fn rules(watch: &WatchStatus) -> Vec<(&'static str, String)> {
    let r = &watch.rules;
    let globs = |globs: &[String]| command(globs);
    let yes = |set: bool| if set { "yes" } else { "no" }.to_owned();
    let kinds: Vec<_> = r.kinds.iter().map(|kind| kind.as_str()).collect();
    let mut rows = vec![
        ("command", if r.command.is_empty() { "none; events are only logged".into() } else { command(&r.command) }),
        ("include", if r.include.is_empty() { "all".into() } else { globs(&r.include) }),
        ("exclude", if r.exclude.is_empty() { "none".into() } else { globs(&r.exclude) }),
        ("recursive", yes(r.recursive)),
        ("hidden", yes(r.hidden)),
        ("gitignore", yes(r.gitignore)),
        ("kinds", kinds.join(",")),
        ("existing", r.existing.as_str().into()),
        ("settle", r.settle.to_string()),
        ("open-quiet", r.open_quiet.to_string()),
        ("max-wait", r.max_wait.to_string()),
        ("min-age", r.min_age.to_string()),
        ("every", schedule(r)),
        ("jitter", r.jitter.to_string()),
        ("catch-up", r.catch_up.as_str().into()),
        ("rescan", r.rescan.to_string()),
        ("on-schedule", r.on_schedule.as_str().into()),
        ("mode", r.mode.as_str().into()),
        ("concurrency", r.concurrency.to_string()),
        ("timeout", r.timeout.to_string()),
        ("grace", r.grace.to_string()),
        ("retries", r.retries.to_string()),
        ("backoff", r.backoff.to_string()),
        ("dedupe", r.dedupe.as_str().into()),
        ("break-after", r.break_after.to_string()),
        ("output-max", r.output_max.to_string()),
        ("keep-runs", r.keep_runs.map_or_else(|| "as the daemon".to_owned(), |kept| kept.to_string())),
        ("order", r.order.as_str().into()),
        ("on-success", escape(r.on_success.to_string().as_bytes()).into_owned()),
        ("on-failure", escape(r.on_failure.to_string().as_bytes()).into_owned()),
        ("poll-interval", r.poll_interval.to_string()),
        ("allow-missing", yes(r.allow_missing)),
        ("attrib", yes(r.attrib)),
        ("run-as", r.run_as.clone().unwrap_or_else(|| "the daemon's user".into())),
    ];
    match r.mode {
        Mode::Each => rows.extend([("stdin", r.stdin.as_str().into()), ("path appended", yes(r.append_path))]),
        Mode::Worker => rows.push(("in-flight", r.in_flight.to_string())),
        Mode::Batch => {
            rows.extend([("batch-max", r.batch_max.to_string()), ("batch-wait", r.batch_wait.to_string())]);
        }
    }
    rows.extend(r.ready_file.as_ref().map(|pattern| ("ready-file", escape(pattern.as_bytes()).into_owned())));
    rows.extend(r.umask.map(|umask| ("umask", umask.to_string())));
    rows.extend(r.nice.map(|nice| ("nice", nice.to_string())));
    rows.extend(r.key.as_ref().map(|key| ("key", escape(key.as_bytes()).into_owned())));
    rows.extend(r.min_size.map(|size| ("min-size", size.to_string())));
    rows.extend(r.max_size.map(|size| ("max-size", size.to_string())));
    rows.extend(r.max_depth.map(|depth| ("max-depth", depth.to_string())));
    rows.extend(r.cwd.as_ref().map(|cwd| ("cwd", escape(cwd.as_bytes()).into_owned())));
    rows.extend((!r.env.is_empty()).then(|| ("env", command(&r.env))));
    rows
}

/// The schedule of a watch: `2h`, `off`, or `cron 30 2 * * * in Europe/Paris`.
fn schedule(rules: &Rules) -> String {
    match &rules.cron {
        Some(line) => format!("cron {} in {}", escape(line.as_bytes()), escape(rules.tz.as_bytes())),
        None => rules.every.to_string(),
    }
}

/// When a watch's schedule is due next, as a clause: `in 2h (every 2h)`.
pub fn next_occurrence(watch: &WatchStatus) -> String {
    let every = match &watch.rules.cron {
        Some(_) => schedule(&watch.rules),
        None => format!("every {}", watch.rules.every),
    };
    match watch.next_due {
        Some(due) => format!("{} ({every})", relative(due, Timestamp::now())),
        None if watch.rules.cron.is_some() || watch.rules.every.span().is_some() => format!("not yet known ({every})"),
        None => "none (every off)".into(),
    }
}
