//! `man-page`: the manual of fsmonctl, from what clap knows of the command line and what stands in
//! `packaging/man/fsmonctl.roff`. For whoever makes a package; people read it with `man`.

use std::io::Write;

use clap::builder::PossibleValue;
use clap::{Arg, Args, Command};
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
    let man = Man::new(cli.mut_args(in_one_line)).manual("fsmond");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    writeln!(page, ".SH SYNOPSIS\n.B fsmonctl\n[OPTIONS] VERB [ARGUMENTS]")?;
    man.render_description_section(&mut page)?;
    let (before, after) = MORE.split_once(".\\\" VERBS\n").unwrap_or((MORE, ""));
    page.write_all(before.as_bytes())?;
    writeln!(page, ".SH VERBS\nIn short; each is explained below.\n.PP\n.nf")?;
    for verb in &verbs {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(page, "    {}", roff(&format!("{:<13} {about}", verb.get_name())))?;
    }
    writeln!(page, ".fi")?;
    let add = verbs.iter().find(|verb| verb.get_name() == "add").cloned();
    for verb in verbs {
        let told = add.as_ref().filter(|_| verb.get_name() == "set");
        one_verb(verb, told, &mut page)?;
    }
    man.render_options_section(&mut page)?;
    page.write_all(after.as_bytes())?;
    Ok(page)
}

/// A verb: how it is called, what it does, its options (those of the one that was told before are not told again),
/// examples.
fn one_verb(mut verb: Command, told: Option<&Command>, page: &mut Vec<u8>) -> std::io::Result<()> {
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
    if let Some(told) = told {
        writeln!(page, ".PP\nIt takes all options of\n.B {}\nbut \\-\\-name, and these:", told.get_name())?;
    }
    let after = verb.get_after_help().map(ToString::to_string);
    let is_told = |arg: &Arg| told.is_some_and(|told| told.get_opts().any(|other| other.get_id() == arg.get_id()));
    let verb = verb.mut_args(|arg| {
        let hidden = arg.get_id() == "help" || is_told(&arg);
        in_one_line(arg).hide(hidden)
    });
    let mut options = Vec::new();
    Man::new(verb).render_options_section(&mut options)?;
    for line in String::from_utf8_lossy(&options).lines() {
        // The headings of its sections would end that of the verbs.
        match line.strip_prefix(".SH ") {
            Some("OPTIONS") => {}
            Some(heading) => writeln!(page, ".PP\n.I {}:", heading.trim_matches('"'))?,
            None => writeln!(page, "{line}")?,
        }
    }
    for part in after.iter().flat_map(|text| text.split("\n\n")) {
        let (heading, text) = part.split_once('\n').unwrap_or(("", part));
        if heading.is_empty() || heading.starts_with(' ') {
            verbatim(part, page)?;
        } else {
            writeln!(page, ".PP\n.I {}:", roff(&capitalized(heading)))?;
            verbatim(text, page)?;
        }
    }
    Ok(())
}

/// Values that can be told by their names alone stand behind the text, not below it in a list.
fn in_one_line(arg: Arg) -> Arg {
    let values = arg.get_possible_values();
    let plain = !values.is_empty() && values.iter().all(|value| value.get_help().is_none());
    if !plain || !arg.get_action().takes_values() {
        return arg;
    }
    let names: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
    let names = names.join(", ");
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let (text, default) = help.split_at(help.find(" [default").unwrap_or(help.len()));
    arg.help(format!("{text}: {names}{default}")).hide_possible_values(true)
}

/// `EXAMPLES` as `Examples`.
fn capitalized(heading: &str) -> String {
    let (first, rest) = heading.split_at_checked(1).unwrap_or((heading, ""));
    format!("{first}{}", rest.to_lowercase())
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
            for long in verb.get_arguments().filter(|a| !a.is_hide_set()).filter_map(Arg::get_long) {
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
