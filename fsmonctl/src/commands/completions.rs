//! `completions`: what a shell needs to complete this command line.

use std::fmt::Write;

use clap::builder::PossibleValue;
use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::json;

use super::Session;
use crate::failure::Failure;

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl completions bash > /etc/bash_completion.d/fsmonctl
  fsmonctl completions fish > ~/.config/fish/completions/fsmonctl.fish
  fsmonctl completions zsh > ~/.zfunc/_fsmonctl")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(self, session: &Session<'_>) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::args::typed(), "fsmonctl", &mut script);
        if self.shell == Shell::Fish {
            script.extend(fish_values(&crate::args::typed()).into_bytes());
        }
        if session.out.is_json() {
            let script = String::from_utf8_lossy(&script);
            return session.out.object(&json!({ "shell": self.shell.to_string(), "script": script }));
        }
        Ok(session.out.bytes(&script)?)
    }
}

/// For fish clap completes the values of options alone: these are those of what stands by itself, such as a level.
fn fish_values(cli: &Command) -> String {
    let mut lines = String::new();
    for verb in cli.get_subcommands() {
        let values: Vec<PossibleValue> = verb.get_positionals().flat_map(clap::Arg::get_possible_values).collect();
        let names: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
        if !names.is_empty() {
            let condition = format!("__fish_fsmonctl_using_subcommand {}", verb.get_name());
            let _ = writeln!(lines, "complete -c fsmonctl -n \"{condition}\" -f -a \"{}\"", names.join(" "));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fish_knows_the_values_that_stand_by_themselves() {
        let lines = fish_values(&crate::args::typed());
        assert!(lines.contains("using_subcommand log-level\" -f -a \"error warn info debug trace\""), "{lines}");
        assert!(lines.contains("using_subcommand completions\" -f -a \"bash "), "{lines}");
    }
}
