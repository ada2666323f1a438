//! What can be said on the command line, apart from the verbs themselves, which are in `commands`.
//!
//! Parsing only; nothing here looks at the world but the current folder's name.

mod global;
mod options;
mod paths;

use clap::error::ErrorKind as ClapKind;
use clap::{CommandFactory, Parser};
use fsmon_protocol::ApiError;

pub use global::{Color, Global};
pub use options::OptionArgs;
pub use paths::{absolute, file, watch, watches};

use crate::commands::Verb;
use crate::output;

/// Steers fsmond while it runs: which folders it watches, what it does with their files, and what happened.
#[derive(Debug, Parser)]
#[command(name = "fsmonctl", version, max_term_width = 110, arg_required_else_help = true, infer_subcommands = false)]
#[command(subcommand_required = true, disable_help_subcommand = true, after_help = MOST_USED)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The lines that a newcomer needs first.
const MOST_USED: &str = "\
Most used:
  fsmonctl add /data -- convert {path}     run `convert FILE` for each file that is new or changed
  fsmonctl list                            what is watched, and how it goes
  fsmonctl tail                            what happens, live
  fsmonctl run-now data --wait             look at everything now and run what is pending
  fsmonctl runs --failed                   what went wrong; then: fsmonctl logs RUN

Exit codes: 0 done, 1 refused or nothing matched, 2 usage, 3 no daemon there, 4 timed out,
5 not permitted, 6 a run failed, not healthy, or not the same (verify), 70 a bug.
`fsmonctl VERB --help` shows examples of each verb.";

/// Parses the command line. Help, version and usage errors are printed here; then the exit code is returned.
pub fn parse() -> Result<Cli, u8> {
    Cli::try_parse().map_err(|error| tell(&error))
}

/// The whole command line as clap knows it, with what is hidden.
pub fn command() -> clap::Command {
    Cli::command()
}

/// What of it people type: verbs that are only for makers of packages are left out, which clap's generators do not do.
pub fn typed() -> clap::Command {
    let whole = command();
    let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    clap::Command::new("fsmonctl")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(whole.get_arguments().cloned())
        .subcommands(verbs)
}

/// Prints what clap has to say and returns the exit code.
///
/// What was typed is repeated in the message, and a glob of the shell may have put hostile file names into it: so it
/// is escaped.
fn tell(error: &clap::Error) -> u8 {
    let json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    match error.kind() {
        ClapKind::DisplayHelp | ClapKind::DisplayVersion => {
            // A reader that has seen enough of the help is no error.
            let _ = error.print();
            return 0;
        }
        ClapKind::DisplayHelpOnMissingArgumentOrSubcommand if !json => {
            let _ = error.print();
            return 2;
        }
        _ => {}
    }
    let text = output::text::escape_lines(error.render().to_string().trim_end().as_bytes());
    // The most likely slip: the command without the `--` before it.
    let slip = error.kind() == ClapKind::UnknownArgument && text.contains("[-- <COMMAND>...]");
    let text = if slip { format!("{text}\nThe command to run goes after --.") } else { text };
    if json {
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let (message, hint) = text.split_once("\n\n").unwrap_or((text, ""));
        let error = ApiError::usage(message.trim());
        output::error_json(&if hint.is_empty() { error } else { error.hint(hint.trim()) });
    } else {
        eprintln!("{text}");
    }
    2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn completions_know_all_that_people_type() {
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut typed(), "fsmonctl", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["run-now", "set-interval", "settle", "all-files", "socket", "version"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
            assert!(!script.contains("man-page"), "{shell}");
        }
    }

    #[test]
    fn every_verb_has_examples_in_its_help_and_takes_json() {
        let mut cli = command();
        cli.build();
        let mut verbs = 0;
        for verb in cli.get_subcommands_mut() {
            let name = verb.get_name().to_owned();
            let help = verb.render_long_help().to_string();
            let short = verb.render_help().to_string();
            for help in [&help, &short] {
                let (_, examples) =
                    help.split_once("EXAMPLES").unwrap_or_else(|| panic!("{name}: no EXAMPLES:\n{help}"));
                assert!(examples.contains(&format!("fsmonctl {name}")), "{name}: no example of itself:\n{help}");
            }
            assert!(help.contains("--json"), "{name}: no --json:\n{help}");
            assert!(verb.get_about().is_some(), "{name}: says nothing about itself");
            verbs += 1;
        }
        assert!(verbs >= 24, "only {verbs} verbs");
    }

    /// What a shell makes of a line: words, and what stands between single quotes as one of them.
    fn shell_words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
        for c in line.chars() {
            match c {
                '\'' => {
                    quoted = !quoted;
                    word.get_or_insert_default();
                }
                ' ' if !quoted => words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }

    #[test]
    fn the_examples_of_the_help_parse() {
        let mut cli = command();
        cli.build();
        for verb in cli.get_subcommands_mut() {
            let help = verb.render_long_help().to_string();
            let (_, examples) = help.split_once("EXAMPLES").unwrap();
            for line in examples.lines().filter_map(|l| l.trim().strip_prefix("fsmonctl ")) {
                let line = line.split("  ").next().unwrap_or(line);
                let words = line
                    .split(" | ")
                    .next()
                    .unwrap_or(line)
                    .split(" > ")
                    .next()
                    .unwrap_or(line)
                    .split(" && ")
                    .next()
                    .unwrap_or(line);
                let words = shell_words(words);
                let parsed = Cli::try_parse_from(std::iter::once("fsmonctl".to_owned()).chain(words.clone()));
                assert!(parsed.is_ok(), "{words:?}: {}", parsed.unwrap_err());
            }
        }
    }
}
