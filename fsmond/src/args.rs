//! The command line of fsmond.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{CommandFactory, Parser};
use clap_mangen::Man;
use fsmon_protocol::rpc::places::Given;

use crate::host::log::{Format, Level};

/// What `--help` says about the program.
const ABOUT: &str = "\
fsmond watches folders and makes sure that the latest state of every file in them has been processed by your command: \
when it changes, on schedule, and after whatever went wrong.

It puts itself in the background and returns when it is ready: 0, or 1 with the reason (78: the config is bad, 2: the \
command line is). fsmonctl steers it: add, list, tail, run-now, status, stop. Everything works without a config, as any \
user. SIGTERM stops it cleanly, SIGHUP makes it read its config again.";

/// What `--help` says at its end.
const PLACES: &str = "\
Places, the first that is given counts:
  socket   --socket, FSMON_SOCKET, systemd, config; root: /run/fsmond/fsmond.sock;
           others: $XDG_RUNTIME_DIR/fsmond.sock, /run/user/UID/fsmond.sock, STATE/fsmond.sock
  state    --state-dir, FSMON_STATE_DIR, STATE_DIRECTORY; root: /var/lib/fsmond;
           others: $XDG_STATE_HOME/fsmond (~/.local/state/fsmond)
  config   --config, FSMON_CONFIG; root: /etc/fsmond/fsmond.toml;
           others: $XDG_CONFIG_HOME/fsmond/fsmond.toml (~/.config/fsmond/fsmond.toml)
  log      --log-file, config, LOGS_DIRECTORY, STATE/log/filesystem_monitor.log
State and config must belong to root or the user fsmond runs as, and nobody else may be able to write to them.

Examples:
  fsmond                                            start in the background
  fsmond --foreground --log-level debug             stay, and log to the console too
  fsmond --check-config && systemctl reload fsmond  reload only a good config
  fsmond --user alice                               as root: the daemon of alice, with her rights only
  fsmond --watch ~/inbox                            show what happens in a folder
  fsmond --watch ~/inbox -- cp {path} /srv/copies/  run a command for each file that changed";

/// The options fsmond was called with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Parser)]
#[command(
    name = "fsmond",
    version,
    about = "File system monitor daemon: sees to it that every changed file is processed"
)]
#[command(long_about = ABOUT, after_long_help = PLACES)]
#[allow(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
pub struct Args {
    /// Stay in the foreground and log to the console as well as to the log file
    #[arg(short, long)]
    pub foreground: bool,

    /// Watch DIR only, in the foreground, with a state and socket of its own: events on stdout, the log on stderr
    ///
    /// The whole job in one line. What was processed is remembered: started again, only what changed meanwhile is
    /// processed. The config file is read only if it is named.
    #[arg(long, value_name = "DIR")]
    pub watch: Option<PathBuf>,

    /// The command to run for each changed file of --watch, after --
    ///
    /// {path} {rel} {name} {stem} {ext} {dir} {root} {old_path} {event} {trigger} {watch} are replaced, and {fd} by a path to
    /// the file opened; without any of them the path is appended.
    /// Never a shell.
    #[allow(clippy::doc_markdown, reason = "the text is help to be read plain")]
    #[arg(last = true, value_name = "COMMAND", requires = "watch")]
    pub command: Vec<String>,

    /// Where fsmonctl finds this daemon
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,

    /// The folder for all that is remembered: made (0700) if it is not there
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Take a state folder on a network file system, where the lock against a second daemon may not hold
    #[arg(long)]
    pub allow_network_state: bool,

    /// The config file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Read and check the config, say what is wrong with it, and end: 0 if it is good, 78 if not
    #[arg(long, conflicts_with_all = ["foreground", "watch"])]
    pub check_config: bool,

    /// Become USER before anything else, with that user's groups, places and rights (root only)
    ///
    /// For a start without a service manager; state, config and socket are those of that user.
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,

    /// Print the manual page, in roff, and end: for whoever makes a package
    #[arg(long, hide = true, exclusive = true)]
    pub man_page: bool,

    /// The log file, rotated by size and age
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,

    /// How much is logged [default: info]
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub log_level: Option<Level>,

    /// How a log line looks [default: text]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub log_format: Option<Format>,
}

/// What the manual page has beyond `--help`.
const MORE: &str = include_str!("../../packaging/man/fsmond.roff");

/// The manual page, in roff.
pub fn man_page() -> io::Result<Vec<u8>> {
    // What stands there is in the sections that follow.
    let man = Man::new(Args::command().after_long_help("")).manual("fsmond").section("8");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    writeln!(
        page,
        ".SH SYNOPSIS\n.B fsmond\n[OPTIONS]\n.br\n.B fsmond \\-\\-watch\nDIR [OPTIONS] [\\-\\- COMMAND...]"
    )?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.write_all(MORE.as_bytes())?;
    Ok(page)
}

impl Args {
    /// Whether the daemon stays where it was called.
    pub const fn stays(&self) -> bool {
        self.foreground || self.watch.is_some()
    }

    /// What the command line says about where things are.
    pub fn places(&self) -> Given {
        Given {
            socket: self.socket.clone(),
            state_dir: self.state_dir.clone(),
            config: self.config.clone(),
            log_file: self.log_file.clone(),
            daemon: None,
        }
    }

    /// The same with every path absolute, from the current folder on: in the background there is another one. Symbolic
    /// links and `..` are left as they are.
    pub fn absolute(mut self) -> io::Result<Self> {
        let paths = [&mut self.watch, &mut self.socket, &mut self.state_dir, &mut self.config, &mut self.log_file];
        for path in paths.into_iter().flatten() {
            *path = std::path::absolute(&*path)?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("fsmond").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_consistent_and_help_tells_defaults_and_places() {
        Args::command().debug_assert();
        let help = Args::command().render_long_help().to_string();
        for word in ["/var/lib/fsmond", "/etc/fsmond/fsmond.toml", "FSMON_SOCKET", "[default: info]", "Examples:", "78"]
        {
            assert!(help.contains(word), "{word}: {help}");
        }
    }

    #[test]
    fn every_option_is_in_the_manual() {
        let page = String::from_utf8(man_page().unwrap()).unwrap();
        for long in Args::command().get_arguments().filter(|a| !a.is_hide_set()).filter_map(clap::Arg::get_long) {
            assert!(page.contains(&long.replace('-', "\\-")), "--{long}");
        }
        assert!(page.contains("EXIT STATUS") && page.contains("SIGNALS") && !page.contains("man\\-page"));
    }

    #[test]
    fn options_are_read() {
        assert_eq!(parse("").unwrap(), Args::default());
        let args =
            parse("--socket s --state-dir d --config c --log-file l --log-level warn --log-format json").unwrap();
        assert_eq!((args.log_level, args.log_format), (Some(Level::Warn), Some(Format::Json)));
        assert!(!args.stays());
        let here = std::env::current_dir().unwrap();
        let places = args.absolute().unwrap().places();
        assert_eq!((places.state_dir, places.socket), (Some(here.join("d")), Some(here.join("s"))));
    }

    #[test]
    fn watch_takes_a_command_and_stays() {
        let args = parse("--watch in -- convert --fast {path}").unwrap();
        assert!(args.stays());
        assert_eq!(args.command, ["convert", "--fast", "{path}"]);
        assert_eq!(parse("-- convert").unwrap_err().kind(), ErrorKind::MissingRequiredArgument);
        assert_eq!(parse("--check-config --watch in").unwrap_err().kind(), ErrorKind::ArgumentConflict);
        assert_eq!(parse("--log-level loud").unwrap_err().kind(), ErrorKind::InvalidValue);
        assert_eq!(parse("in").unwrap_err().exit_code(), 2);
    }
}
