//! `completions`: what a shell needs to complete this command line.

use clap::Args;
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
        if session.out.is_json() {
            let script = String::from_utf8_lossy(&script);
            return session.out.object(&json!({ "shell": self.shell.to_string(), "script": script }));
        }
        Ok(session.out.bytes(&script)?)
    }
}
