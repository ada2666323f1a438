//! What a watch is: its root and its rules. The same options everywhere: `add`, `set`, and the config file.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::event::EventKind;
use crate::units::{Size, Span, SpanOrOff};

mod after;
mod break_after;
mod check;
mod keep_runs;
mod modes;
mod number_or_word;
mod umask;
mod words;

pub use after::After;
pub use break_after::BreakAfter;
pub use keep_runs::KeepRuns;
pub use umask::Umask;
pub use words::{Backend, CatchUp, Dedupe, Existing, Mode, OnSchedule, Order, Stdin};

/// A watch as it is defined: name, path, and the options that were given. Everything left out takes its default
/// where the daemon resolves it into [`Rules`]. In TOML the options stand beside name and path: the daemon's config
/// reader sees to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchSpec {
    /// Short name, `[A-Za-z0-9._-]{1,64}`.
    pub name: String,
    /// Absolute path of the root: a folder, or one file.
    pub path: String,
    /// The options that were given.
    pub options: Options,
}

/// The options of `add`, `set` and the config file, each only if it was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// The command as argv; an empty list takes the command away. Without one, events are only logged.
    pub command: Option<Vec<String>>,
    /// Only files matching one of these, gitignore syntax relative to the root. An empty list: all.
    pub include: Option<Vec<String>>,
    /// No files or folders matching one of these, gitignore syntax relative to the root.
    pub exclude: Option<Vec<String>>,
    /// Smaller files do not run the command.
    pub min_size: Option<Size>,
    /// Larger files do not run the command.
    pub max_size: Option<Size>,
    /// Whether folders below the root are watched.
    pub recursive: Option<bool>,
    /// How many levels of folders below the root are watched.
    pub max_depth: Option<u32>,
    /// Whether names that begin with a dot are watched.
    pub hidden: Option<bool>,
    /// Which events run the command.
    pub kinds: Option<Vec<EventKind>>,
    /// What to do with files that are there already.
    pub existing: Option<Existing>,
    /// How long a closed file must be quiet.
    pub settle: Option<Span>,
    /// How long a file that was written and not closed must be quiet.
    pub open_quiet: Option<Span>,
    /// After how long a file is taken although it is still written.
    pub max_wait: Option<SpanOrOff>,
    /// The schedule.
    pub every: Option<SpanOrOff>,
    /// How often the tree is compared with the ledger.
    pub rescan: Option<SpanOrOff>,
    /// What an occurrence runs.
    pub on_schedule: Option<OnSchedule>,
    /// How many commands of this watch run at once.
    pub concurrency: Option<u32>,
    /// After how long a command is ended.
    pub timeout: Option<Span>,
    /// How long a command that is being ended has until it is killed.
    pub grace: Option<Span>,
    /// How often a failed file is tried again.
    pub retries: Option<u32>,
    /// The first pause before that; it doubles up to 300 times this.
    pub backoff: Option<Span>,
    /// Folder the command runs in; the root of the watch if not given.
    pub cwd: Option<String>,
    /// Environment for the command, each `NAME=VALUE`.
    pub env: Option<Vec<String>>,
    /// What the command gets on stdin.
    pub stdin: Option<Stdin>,
    /// Whether the path is appended to a command without placeholders.
    pub append_path: Option<bool>,
    /// How changes are seen.
    pub backend: Option<Backend>,
    /// How often a polled watch is scanned.
    pub poll_interval: Option<Span>,
    /// Accept a root that is not there yet.
    pub allow_missing: Option<bool>,
    /// Record changes of mode or owner.
    pub attrib: Option<bool>,
    /// Whom the command runs as, `USER[:GROUP]`; an empty word: the daemon's own user.
    pub run_as: Option<String>,
    /// The schedule as a cron line; instead of `every`.
    pub cron: Option<String>,
    /// The time zone of the cron line.
    pub tz: Option<String>,
    /// Each occurrence starts up to so much later than it is due.
    pub jitter: Option<Span>,
    /// What becomes of missed occurrences.
    pub catch_up: Option<CatchUp>,
    /// The name of the file beside it that says that a file is complete.
    pub ready_file: Option<String>,
    /// How old the last change of a file must be before it is processed.
    pub min_age: Option<Span>,
    /// What one run of the command is for.
    pub mode: Option<Mode>,
    /// How many files a batch has at most.
    pub batch_max: Option<u32>,
    /// How long a batch waits for more files.
    pub batch_wait: Option<Span>,
    /// What becomes of a file once its command has succeeded.
    pub on_success: Option<After>,
    /// What becomes of a file once it is set aside.
    pub on_failure: Option<After>,
    /// How many files a worker has at a time.
    pub in_flight: Option<u32>,
    /// Which of the files that are ready starts first.
    pub order: Option<Order>,
    /// Files of one key run one after another: a regular expression for the path below the root.
    pub key: Option<String>,
    /// The umask of the command; the daemon's if not given.
    pub umask: Option<Umask>,
    /// The niceness of the command; the daemon's if not given.
    pub nice: Option<i32>,
    /// How much of a run's output is kept.
    pub output_max: Option<Size>,
    /// After how many failed runs in a row only one file at a time is tried.
    pub break_after: Option<BreakAfter>,
    /// How much of the history of its runs is kept; as much as the daemon keeps if not given.
    pub keep_runs: Option<KeepRuns>,
    /// Whether the ignore files in the tree (`.gitignore`) leave files and folders out.
    pub gitignore: Option<bool>,
    /// By what a changed file is told from what was processed of it last.
    pub dedupe: Option<Dedupe>,
}

/// Applies `$macro!(field, …)` to the name of every option, so that merging can forget none.
macro_rules! for_every_option {
    ($do:ident) => {
        $do!(
            command,
            include,
            exclude,
            min_size,
            max_size,
            recursive,
            max_depth,
            hidden,
            kinds,
            existing,
            settle,
            open_quiet,
            max_wait,
            every,
            rescan,
            on_schedule,
            concurrency,
            timeout,
            grace,
            retries,
            backoff,
            cwd,
            env,
            stdin,
            append_path,
            backend,
            poll_interval,
            allow_missing,
            attrib,
            run_as,
            cron,
            tz,
            jitter,
            catch_up,
            ready_file,
            min_age,
            mode,
            batch_max,
            batch_wait,
            on_success,
            on_failure,
            in_flight,
            order,
            key,
            umask,
            nice,
            output_max,
            break_after,
            keep_runs,
            gitignore,
            dedupe
        )
    };
}

impl Options {
    /// These options, and where one is not given, that of `fallback`.
    #[must_use]
    pub fn or(self, fallback: &Self) -> Self {
        // An interval and a cron line exclude each other: who gives one does not mean the other of the fallback.
        let (interval, cron) = (self.every.is_some(), self.cron.is_some());
        macro_rules! merge {
            ($($field:ident),*) => { Self { $($field: self.$field.or_else(|| fallback.$field.clone())),* } };
        }
        let mut merged = for_every_option!(merge);
        if interval && !cron {
            merged.cron = None;
        } else if cron && !interval {
            merged.every = None;
        }
        merged
    }

    /// Takes back what was given for these options, each by its name in the config file, so that it has its default.
    pub fn unset(&mut self, names: &[String]) -> Result<(), ApiError> {
        for name in names {
            macro_rules! take {
                ($($field:ident),*) => {
                    match name.trim_start_matches("--").replace('-', "_").as_str() {
                        $(stringify!($field) => self.$field = None,)*
                        _ => {
                            let shown = crate::path::escape(name.as_bytes());
                            return Err(ApiError::usage(format!("there is no option '{shown}' that could be unset"))
                                .hint("name it as in the config file, like max-size or append-path"));
                        }
                    }
                };
            }
            for_every_option!(take);
        }
        Ok(())
    }

    /// Whether nothing is given at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The options of a watch with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is described at the option of its name")]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own, with its own name")]
pub struct Rules {
    pub command: Vec<String>,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub min_size: Option<Size>,
    pub max_size: Option<Size>,
    pub recursive: bool,
    pub max_depth: Option<u32>,
    pub hidden: bool,
    pub kinds: Vec<EventKind>,
    pub existing: Existing,
    pub settle: Span,
    pub open_quiet: Span,
    pub max_wait: SpanOrOff,
    pub every: SpanOrOff,
    pub rescan: SpanOrOff,
    pub on_schedule: OnSchedule,
    pub concurrency: u32,
    pub timeout: Span,
    pub grace: Span,
    pub retries: u32,
    pub backoff: Span,
    pub cwd: Option<String>,
    pub env: Vec<String>,
    pub stdin: Stdin,
    pub append_path: bool,
    pub backend: Backend,
    pub poll_interval: Span,
    pub allow_missing: bool,
    pub attrib: bool,
    pub run_as: Option<String>,
    pub cron: Option<String>,
    pub tz: String,
    pub jitter: Span,
    pub catch_up: CatchUp,
    pub ready_file: Option<String>,
    pub min_age: Span,
    pub mode: Mode,
    pub batch_max: u32,
    pub batch_wait: Span,
    pub on_success: After,
    pub on_failure: After,
    pub in_flight: u32,
    pub order: Order,
    pub key: Option<String>,
    pub umask: Option<Umask>,
    pub nice: Option<i32>,
    pub output_max: Size,
    pub break_after: BreakAfter,
    pub keep_runs: Option<KeepRuns>,
    pub gitignore: bool,
    pub dedupe: Dedupe,
}

impl Rules {
    /// Fills in the default of everything that `options` leaves out. Does not check values: [`Rules::check`] does.
    pub fn from_options(options: &Options) -> Self {
        let o = options.clone();
        Self {
            command: o.command.unwrap_or_default(),
            include: o.include.unwrap_or_default(),
            exclude: o.exclude.unwrap_or_default(),
            min_size: o.min_size,
            max_size: o.max_size,
            recursive: o.recursive.unwrap_or(true),
            max_depth: o.max_depth,
            hidden: o.hidden.unwrap_or(true),
            kinds: o.kinds.unwrap_or_else(|| vec![EventKind::Create, EventKind::Modify, EventKind::Rename]),
            existing: o.existing.unwrap_or_default(),
            settle: o.settle.unwrap_or(Span::millis(100)),
            open_quiet: o.open_quiet.unwrap_or(Span::secs(30)),
            max_wait: o.max_wait.unwrap_or(SpanOrOff::Off),
            every: o.every.unwrap_or(if o.cron.is_some() {
                SpanOrOff::Off
            } else {
                SpanOrOff::On(Span::secs(2 * 3600))
            }),
            rescan: o.rescan.unwrap_or(SpanOrOff::On(Span::secs(2 * 3600))),
            on_schedule: o.on_schedule.unwrap_or_default(),
            concurrency: o.concurrency.unwrap_or(1),
            timeout: o.timeout.unwrap_or(Span::secs(600)),
            grace: o.grace.unwrap_or(Span::secs(10)),
            retries: o.retries.unwrap_or(5),
            backoff: o.backoff.unwrap_or(Span::secs(1)),
            cwd: o.cwd,
            env: o.env.unwrap_or_default(),
            stdin: o.stdin.unwrap_or_default(),
            append_path: o.append_path.unwrap_or(true),
            backend: o.backend.unwrap_or_default(),
            poll_interval: o.poll_interval.unwrap_or(Span::secs(30)),
            allow_missing: o.allow_missing.unwrap_or(false),
            attrib: o.attrib.unwrap_or(false),
            run_as: o.run_as.filter(|user| !user.is_empty()),
            cron: o.cron,
            tz: o.tz.unwrap_or_else(|| "UTC".to_owned()),
            jitter: o.jitter.unwrap_or(Span::secs(0)),
            catch_up: o.catch_up.unwrap_or_default(),
            ready_file: o.ready_file.filter(|pattern| !pattern.is_empty()),
            min_age: o.min_age.unwrap_or(Span::secs(0)),
            mode: o.mode.unwrap_or_default(),
            batch_max: o.batch_max.unwrap_or(1000),
            batch_wait: o.batch_wait.unwrap_or(Span::secs(1)),
            on_success: o.on_success.unwrap_or_default(),
            on_failure: o.on_failure.unwrap_or_default(),
            in_flight: o.in_flight.unwrap_or(1),
            order: o.order.unwrap_or_default(),
            key: o.key.filter(|key| !key.is_empty()),
            umask: o.umask,
            nice: o.nice,
            output_max: o.output_max.unwrap_or(Size(1 << 20)),
            break_after: o.break_after.unwrap_or_default(),
            keep_runs: o.keep_runs,
            gitignore: o.gitignore.unwrap_or(false),
            dedupe: o.dedupe.unwrap_or_default(),
        }
    }
}

/// Checks that `name` is `[A-Za-z0-9._-]{1,64}`.
pub fn check_name(name: &str) -> Result<(), ApiError> {
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if fits {
        return Ok(());
    }
    Err(ApiError::usage(format!("'{}' can't be the name of a watch", crate::path::escape(name.as_bytes())))
        .hint("a name is 1 to 64 of the characters A-Z a-z 0-9 . _ -"))
}

#[cfg(test)]
mod tests;
