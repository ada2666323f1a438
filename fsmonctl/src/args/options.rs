//! The options of `add` and `set`, each of which travels only if it was given.
//!
//! Values are checked for their form here (a duration, a size, a word of a list); what they mean together is the
//! daemon's to judge, so that the config file is judged the same.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use fsmon_protocol::event::EventKind;
use fsmon_protocol::spec::{
    After, Backend, BreakAfter, CatchUp, Dedupe, Existing, KeepRuns, Mode, OnSchedule, Options, Order, Stdin, Umask,
};
use fsmon_protocol::{ApiError, Size, Span, SpanOrOff};

// A doc comment here would replace that of the verbs this struct is flattened into.
#[derive(Debug, Default, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct OptionArgs {
    /// Only files matching one of these (gitignore syntax, relative to the root; repeatable, '' for all)
    #[arg(long, value_name = "GLOB", help_heading = "Which files")]
    include: Option<Vec<String>>,

    /// No files or folders matching one of these (gitignore syntax; repeatable, '' for none)
    #[arg(long, value_name = "GLOB", help_heading = "Which files")]
    exclude: Option<Vec<String>>,

    /// Smaller files do not run the command (500, 64K, 10M, 2G)
    #[arg(long, value_name = "SIZE", help_heading = "Which files")]
    min_size: Option<Size>,

    /// Larger files do not run the command
    #[arg(long, value_name = "SIZE", help_heading = "Which files")]
    max_size: Option<Size>,

    /// Watch the folders below the root too (the default)
    #[arg(long, overrides_with = "no_recursive", help_heading = "Which files")]
    recursive: bool,

    /// Watch the root folder only
    #[arg(long, overrides_with = "recursive", help_heading = "Which files")]
    no_recursive: bool,

    /// Watch so many levels of folders below the root
    #[arg(long, value_name = "N", help_heading = "Which files")]
    max_depth: Option<u32>,

    /// Watch names that begin with a dot (the default)
    #[arg(long, overrides_with = "no_hidden", help_heading = "Which files")]
    hidden: bool,

    /// Leave out names that begin with a dot
    #[arg(long, overrides_with = "hidden", help_heading = "Which files")]
    no_hidden: bool,

    /// Leave out what the .gitignore files in the tree ignore, and .git itself
    #[arg(long, overrides_with = "no_gitignore", help_heading = "Which files")]
    gitignore: bool,

    /// Ask no .gitignore file (the default)
    #[arg(long, overrides_with = "gitignore", help_heading = "Which files")]
    no_gitignore: bool,

    /// Files already there when the watch is made: taken as done, or run [default: skip]
    #[arg(long, value_name = "WHAT", value_parser = words(EXISTING), help_heading = "Which files")]
    existing: Option<Existing>,

    /// Which events run the command [default: create,modify,rename]
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = words(KINDS), help_heading = "When")]
    kinds: Option<Vec<EventKind>>,

    /// Run nothing for a file that is modified and as its last run found it: by size and mtime, or by its content (up to 64M) [default: off]
    #[arg(long, value_name = "off|meta|content", value_parser = words(DEDUPE), help_heading = "When")]
    dedupe: Option<Dedupe>,

    /// How long a closed file must be quiet [default: 100ms]
    #[arg(long, value_name = "D", help_heading = "When")]
    settle: Option<Span>,

    /// How long a file that was written and not closed must be quiet [default: 30s]
    #[arg(long, value_name = "D", help_heading = "When")]
    open_quiet: Option<Span>,

    /// Process a file when another beside it is there: '{name}.done' for x.csv and x.csv.done, '{stem}.ok' for x.ok; '' for none
    #[arg(long, value_name = "PATTERN", help_heading = "When")]
    ready_file: Option<String>,

    /// Process a file when its last change is so long ago [default: 0s]
    #[arg(long, value_name = "D", help_heading = "When")]
    min_age: Option<Span>,

    /// Take a file after so long although it is still written [default: off]
    #[arg(long, value_name = "D|off", help_heading = "When")]
    max_wait: Option<SpanOrOff>,

    /// The schedule [default: 2h]
    #[arg(long, value_name = "D|off", help_heading = "When")]
    every: Option<SpanOrOff>,

    /// The schedule as a cron line, quoted: '30 2 * * *', '*/15 8-17 * * MON-FRI', @daily
    #[arg(long, value_name = "LINE", conflicts_with = "every", help_heading = "When")]
    cron: Option<String>,

    /// The time zone of the cron line, such as Europe/Paris [default: that of the daemon's machine]
    #[arg(long, value_name = "ZONE", help_heading = "When")]
    tz: Option<String>,

    /// Start each occurrence by chance up to D later than due, so that many machines do not start at once [default: 0s]
    #[arg(long, value_name = "D", help_heading = "When")]
    jitter: Option<Span>,

    /// Occurrences that were missed (down, asleep, paused): make up for none of them, or once for all [default: once]
    #[arg(long, value_name = "WHAT", value_parser = words(CATCH_UP), help_heading = "When")]
    catch_up: Option<CatchUp>,

    /// How often the tree is compared with what was done, whatever the events said [default: 2h]
    #[arg(long, value_name = "D|off", help_heading = "When")]
    rescan: Option<SpanOrOff>,

    /// What an occurrence runs: what is pending; every file; or the command once, for all that changed [default: pending]
    #[arg(long, value_name = "WHAT", value_parser = words(ON_SCHEDULE), help_heading = "When")]
    on_schedule: Option<OnSchedule>,

    /// How many commands of this watch run at once, or how many workers it has [default: 1]
    #[arg(long, value_name = "N", help_heading = "The command")]
    concurrency: Option<u32>,

    /// End a command after so long [default: 10m]
    #[arg(long, value_name = "D", help_heading = "The command")]
    timeout: Option<Span>,

    /// How long a command that is being ended has until it is killed [default: 10s]
    #[arg(long, value_name = "D", help_heading = "The command")]
    grace: Option<Span>,

    /// How often a failed file is tried again [default: 5]
    #[arg(long, value_name = "N", help_heading = "The command")]
    retries: Option<u32>,

    /// The first pause before that; it doubles up to 300 times this [default: 1s]
    #[arg(long, value_name = "D", help_heading = "The command")]
    backoff: Option<Span>,

    /// When so many runs in a row have failed, try one file at a time until one succeeds: none is used up then [default: off]
    #[arg(long, value_name = "K|off", help_heading = "The command")]
    break_after: Option<BreakAfter>,

    /// What one run is for: each file, or a batch of many; or workers that stay and get a line for each file [default: each]
    #[arg(long, value_name = "WHAT", value_parser = words(MODES), help_heading = "The command")]
    mode: Option<Mode>,

    /// How many files a batch has at most [default: 1000]
    #[arg(long, value_name = "N", help_heading = "The command")]
    batch_max: Option<u32>,

    /// How long a batch waits for more files once one is ready [default: 1s]
    #[arg(long, value_name = "D", help_heading = "The command")]
    batch_wait: Option<Span>,

    /// Which of the files that are ready starts first: by when they became so, path, or time of change [default: arrival]
    #[arg(long, value_name = "WHAT", value_parser = words(ORDERS), help_heading = "The command")]
    order: Option<Order>,

    /// Files of one key one after another, others beside them: a regex for the path below the root; '' for none
    #[arg(long, value_name = "REGEX", help_heading = "The command")]
    key: Option<String>,

    /// What becomes of a file that was processed; DIR is a folder that the watch does not see [default: keep]
    #[arg(long, value_name = "keep|delete|move:DIR", help_heading = "The command")]
    on_success: Option<After>,

    /// What becomes of a file that is set aside after its last attempt [default: keep]
    #[arg(long, value_name = "keep|move:DIR", help_heading = "The command")]
    on_failure: Option<After>,

    /// How many files a worker has at a time [default: 1]
    #[arg(long, value_name = "K", help_heading = "The command")]
    in_flight: Option<u32>,

    /// The umask of the command, in octal [default: the daemon's, 0027]
    #[arg(long, value_name = "OCTAL", help_heading = "The command")]
    umask: Option<Umask>,

    /// The niceness of the command, -20 to 19; below the daemon's own only for a daemon of root [default: the daemon's]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "The command")]
    nice: Option<i32>,

    /// How much of a run's output is kept; the rest is read, counted and dropped [default: 1M]
    #[arg(long, value_name = "SIZE", help_heading = "The command")]
    output_max: Option<Size>,

    /// How much of the history of its runs is kept: so many runs, or those of so long (500, 30d) [default: as the daemon]
    #[arg(long, value_name = "N|D", help_heading = "The command")]
    keep_runs: Option<KeepRuns>,

    /// Folder the command runs in [default: the root of the watch; / for workers]
    #[arg(long, value_name = "DIR", help_heading = "The command")]
    cwd: Option<std::path::PathBuf>,

    /// Environment for the command (repeatable, '' for none)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "The command")]
    env: Option<Vec<String>>,

    /// What the command gets on stdin: nothing, or the event as one JSON line [default: none]
    #[arg(long, value_name = "WHAT", value_parser = words(STDIN), help_heading = "The command")]
    stdin: Option<Stdin>,

    /// Append the path to a command without placeholders (the default)
    #[arg(long, overrides_with = "no_path", help_heading = "The command")]
    path_appended: bool,

    /// Append nothing to a command without placeholders
    #[arg(long, overrides_with = "path_appended", help_heading = "The command")]
    no_path: bool,

    /// How changes are seen [default: auto, which is what fits the mount]
    #[arg(long, value_name = "HOW", value_parser = words(BACKENDS), help_heading = "How to look")]
    backend: Option<Backend>,

    /// How often a polled watch is scanned [default: 30s]
    #[arg(long, value_name = "D", help_heading = "How to look")]
    poll_interval: Option<Span>,

    /// Accept a root that is not there yet
    #[arg(long, overrides_with = "no_allow_missing", help_heading = "How to look")]
    allow_missing: bool,

    /// Insist on a root that is there (the default)
    #[arg(long, overrides_with = "allow_missing", help_heading = "How to look")]
    no_allow_missing: bool,

    /// Record changes of mode or owner of files too
    #[arg(long, overrides_with = "no_attrib", help_heading = "How to look")]
    attrib: bool,

    /// Record no changes of mode or owner (the default)
    #[arg(long, overrides_with = "attrib", help_heading = "How to look")]
    no_attrib: bool,

    /// Run the command as this user, with that user's groups; '' for the daemon's own (only a daemon of root can)
    #[arg(long, value_name = "USER[:GROUP]", help_heading = "The command")]
    run_as: Option<String>,
}

/// A word of the command line and what it means.
type Word<T> = (&'static str, T);

const EXISTING: &[Word<Existing>] = &[("skip", Existing::Skip), ("run", Existing::Run)];
const ON_SCHEDULE: &[Word<OnSchedule>] =
    &[("pending", OnSchedule::Pending), ("all", OnSchedule::All), ("once", OnSchedule::Once)];
const CATCH_UP: &[Word<CatchUp>] = &[("none", CatchUp::None), ("once", CatchUp::Once)];
const MODES: &[Word<Mode>] = &[("each", Mode::Each), ("batch", Mode::Batch), ("worker", Mode::Worker)];
const DEDUPE: &[Word<Dedupe>] = &[("off", Dedupe::Off), ("meta", Dedupe::Meta), ("content", Dedupe::Content)];
const ORDERS: &[Word<Order>] = &[("arrival", Order::Arrival), ("name", Order::Name), ("mtime", Order::Mtime)];
const STDIN: &[Word<Stdin>] = &[("none", Stdin::None), ("json", Stdin::Json)];
const KINDS: &[Word<EventKind>] = &[
    ("create", EventKind::Create),
    ("modify", EventKind::Modify),
    ("rename", EventKind::Rename),
    ("delete", EventKind::Delete),
];
const BACKENDS: &[Word<Backend>] =
    &[("auto", Backend::Auto), ("inotify", Backend::Inotify), ("notify", Backend::Notify), ("poll", Backend::Poll)];

/// Takes one of these words and nothing else; help and errors name them all.
fn words<T: Copy + Send + Sync + 'static>(table: &'static [Word<T>]) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(table.iter().map(|(word, _)| *word)).try_map(|given| {
        table.iter().find(|(word, _)| *word == given).map(|(_, value)| *value).ok_or("not one of them")
    })
}

impl OptionArgs {
    /// What was given, as it travels. `command` is the one after `--`.
    pub fn into_options(self, command: Option<Vec<String>>) -> Result<Options, ApiError> {
        Ok(Options {
            command,
            include: list("--include", self.include)?,
            exclude: list("--exclude", self.exclude)?,
            min_size: self.min_size,
            max_size: self.max_size,
            recursive: either(self.recursive, self.no_recursive),
            max_depth: self.max_depth,
            hidden: either(self.hidden, self.no_hidden),
            kinds: self.kinds,
            existing: self.existing,
            settle: self.settle,
            open_quiet: self.open_quiet,
            max_wait: self.max_wait,
            every: self.every,
            rescan: self.rescan,
            on_schedule: self.on_schedule,
            concurrency: self.concurrency,
            timeout: self.timeout,
            grace: self.grace,
            retries: self.retries,
            backoff: self.backoff,
            cwd: self.cwd.as_deref().map(super::absolute).transpose()?,
            env: list("--env", self.env)?,
            stdin: self.stdin,
            append_path: either(self.path_appended, self.no_path),
            backend: self.backend,
            poll_interval: self.poll_interval,
            allow_missing: either(self.allow_missing, self.no_allow_missing),
            attrib: either(self.attrib, self.no_attrib),
            run_as: self.run_as,
            cron: self.cron,
            tz: self.tz,
            jitter: self.jitter,
            catch_up: self.catch_up,
            ready_file: self.ready_file,
            min_age: self.min_age,
            mode: self.mode,
            batch_max: self.batch_max,
            batch_wait: self.batch_wait,
            umask: self.umask,
            nice: self.nice,
            output_max: self.output_max,
            keep_runs: self.keep_runs,
            gitignore: either(self.gitignore, self.no_gitignore),
            dedupe: self.dedupe,
            break_after: self.break_after,
            order: self.order,
            key: self.key,
            on_success: self.on_success.map(whole_move).transpose()?,
            on_failure: self.on_failure.map(whole_move).transpose()?,
            in_flight: self.in_flight,
        })
    }
}

/// A folder to move to, made absolute like any path of the command line.
fn whole_move(after: After) -> Result<After, ApiError> {
    Ok(match after {
        After::Move(folder) => After::Move(super::absolute(std::path::Path::new(&folder))?),
        other => other,
    })
}

/// A switch and its opposite, of which clap leaves the last one given.
fn either(yes: bool, no: bool) -> Option<bool> {
    match (yes, no) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

/// A list as it was given. A single empty word empties it.
fn list(option: &str, given: Option<Vec<String>>) -> Result<Option<Vec<String>>, ApiError> {
    let Some(words) = given else { return Ok(None) };
    if words.len() == 1 && words[0].is_empty() {
        return Ok(Some(Vec::new()));
    }
    if words.iter().any(String::is_empty) {
        return Err(ApiError::usage(format!("{option} '' empties the list, and is given together with others"))
            .hint(format!("give {option} '' alone, or leave it out")));
    }
    Ok(Some(words))
}

#[cfg(test)]
mod tests;
