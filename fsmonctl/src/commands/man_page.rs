//! `man-page`: the manual of fsmonctl, from what clap knows of the command line and what stands in
//! `packaging/man/fsmonctl.roff`. For whoever makes a package; people read it with `man`.

use std::io::Write;

use clap::{Args, Command};
use clap_mangen::Man;

use super::Session;
use crate::failure::Failure;

/// What clap does not know: how things go together, files, environment, exit codes.
const MORE: &str = include_str!("../../../packaging/man/fsmonctl.roff");

/// Print the manual page, in roff
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  fsmonctl man-page > fsmonctl.1")]
pub struct ManPage {}

impl ManPage {
    pub fn run(session: &Session<'_>) -> Result<(), Failure> {
        Ok(session.out.bytes(&page(crate::args::command())?)?)
    }
}

/// One page for all verbs, so that it can be searched.
fn page(cli: Command) -> std::io::Result<Vec<u8>> {
    let verbs: Vec<Command> = cli.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    let man = Man::new(cli).manual("fsmond");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let (before, after) = MORE.split_once(".\\\" VERBS\n").unwrap_or((MORE, ""));
    page.write_all(before.as_bytes())?;
    writeln!(page, ".SH VERBS")?;
    for verb in verbs {
        one_verb(verb, &mut page)?;
    }
    man.render_options_section(&mut page)?;
    page.write_all(after.as_bytes())?;
    Ok(page)
}

/// A verb: how it is called, what it does, its options, examples.
fn one_verb(mut verb: Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let name = verb.get_name().to_owned();
    let usage = verb.render_usage().to_string();
    writeln!(page, ".SS {}", roff(&name))?;
    let usage = usage.trim_start_matches("Usage:").trim().replacen(&name, &format!("fsmonctl {name}"), 1);
    verbatim(&usage, page)?;
    for text in [verb.get_long_about().or(verb.get_about()).map(ToString::to_string)].into_iter().flatten() {
        for paragraph in text.split("\n\n") {
            writeln!(page, ".PP\n{}", roff(paragraph))?;
        }
    }
    let examples = verb.get_after_help().map(ToString::to_string);
    let mut options = Vec::new();
    Man::new(verb.disable_help_flag(true)).render_options_section(&mut options)?;
    for line in String::from_utf8_lossy(&options).lines() {
        // The headings of its sections would end that of the verbs.
        match line.strip_prefix(".SH ") {
            Some("OPTIONS") => {}
            Some(heading) => writeln!(page, ".PP\n.I {}:", heading.trim_matches('"'))?,
            None => writeln!(page, "{line}")?,
        }
    }
    if let Some(examples) = examples {
        let examples = examples.trim_start_matches("EXAMPLES").trim_matches('\n').to_owned();
        writeln!(page, ".PP\nExamples:")?;
        verbatim(&examples, page)?;
    }
    Ok(())
}

/// Text that keeps its lines.
fn verbatim(text: &str, page: &mut Vec<u8>) -> std::io::Result<()> {
    writeln!(page, ".PP\n.nf\n{}\n.fi", roff(text))
}

/// Text as roff takes it: nothing in it is a request.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
    let lines: Vec<String> =
        text.lines().map(|line| if line.starts_with('.') { format!("\\&{line}") } else { line.into() }).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_and_option_is_in_the_page() {
        let cli = crate::args::command();
        let page = String::from_utf8(page(cli.clone()).unwrap()).unwrap();
        for verb in cli.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            assert!(page.contains(&format!(".SS {}\n", roff(verb.get_name()))), "{}", verb.get_name());
            for long in verb.get_arguments().filter(|a| !a.is_hide_set()).filter_map(clap::Arg::get_long) {
                assert!(page.contains(&roff(long)), "--{long} of {}", verb.get_name());
            }
        }
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "VERBS", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES"] {
            assert!(page.contains(section), "{section}");
        }
        assert!(!page.contains("man\\-page"), "what is hidden is not told");
    }

    #[test]
    fn text_is_never_a_request() {
        assert_eq!(roff(".so /etc/passwd\n'a\\b"), "\\&.so /etc/passwd\n\\(aqa\\eb");
    }
}
