//! From a watch's command and one file to the exact argv of a process. Pure, and bytes all the way: a file name is
//! never turned into text, never read twice, and can never become code or an option.
//!
//! - Placeholders: see the list of them below. Each is replaced once and inside the one argument it stands in; what a value
//!   holds is never looked at again, so a file named `{path}` stays one. One without a value (`{old_path}` of a file
//!   that was not renamed) is replaced by nothing; the argument stays, maybe empty, so that positions never shift.
//! - Every other brace is kept as it is: `${x}`, awk's `{print}`, `{}` and a misspelt `{pth}` alike. Nothing is
//!   escaped by doubling: `{{path}}` is the path between two braces.
//! - Where no argument has a placeholder, the absolute path is appended as the last one, unless that is turned off.
//! - A value that begins an argument and itself begins with `-` gets `./` before it. `{path}`, `{dir}`, `{root}` and
//!   `{old_path}` are absolute and never need it.
//! - A run for many files takes `{paths}`, an argument of its own in whose place all their paths stand, and no
//!   placeholder of one file.
//! - `{fd}` names no path of the file but the open file itself, which whoever starts the process hands to it.
//! - The program takes no placeholder, and neither does text that a shell or another interpreter reads as code: see
//!   [`check_command`].

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use fsmon_protocol::event::EventKind;
use fsmon_protocol::spec::{Mode, OnSchedule, Rules};
use fsmon_protocol::{ApiError, RawPath};

mod code;

/// What the placeholders of one run stand for. Bytes, since they are names in a file system.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// Absolute path of the watch's root.
    pub root: &'a [u8],
    /// Path of the file relative to the root, without a leading slash.
    pub rel: &'a [u8],
    /// Absolute path before a rename.
    pub old_path: Option<&'a [u8]>,
    /// `create`, `modify`, `rename` or `delete`.
    pub event: &'a str,
    /// `file_change`, `scheduled`, `manual` or `recovery`.
    pub trigger: &'a str,
    /// Name of the watch.
    pub watch: &'a str,
    /// Where the process finds the file open.
    pub opened: &'a str,
}

/// One placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Path,
    Rel,
    Name,
    Stem,
    Ext,
    Dir,
    Root,
    OldPath,
    Event,
    Trigger,
    Watch,
    Paths,
    Fd,
}

/// How the paths of a batch are written.
const PATHS: &str = "{paths}";
/// How the open file is written.
const FD: &str = "{fd}";

/// Every placeholder by how it is written: the absolute path of the file; the path relative to the root; the last
/// component; that without, and only, its last extension (`.bashrc` has none); the absolute folder of the file; the
/// root; the absolute path before a rename; what happened; why the run is made; the watch's name; the paths of a batch;
/// the file opened.
const PLACEHOLDERS: [(&str, Placeholder); 13] = [
    ("{path}", Placeholder::Path),
    ("{rel}", Placeholder::Rel),
    ("{name}", Placeholder::Name),
    ("{stem}", Placeholder::Stem),
    ("{ext}", Placeholder::Ext),
    ("{dir}", Placeholder::Dir),
    ("{root}", Placeholder::Root),
    ("{old_path}", Placeholder::OldPath),
    ("{event}", Placeholder::Event),
    ("{trigger}", Placeholder::Trigger),
    ("{watch}", Placeholder::Watch),
    (PATHS, Placeholder::Paths),
    (FD, Placeholder::Fd),
];

impl Values<'_> {
    fn append(&self, placeholder: Placeholder, out: &mut Vec<u8>) {
        let start = out.len();
        // A run for the whole watch is about the root itself.
        let whole = if self.rel.is_empty() { self.root } else { self.rel };
        let name = whole.rsplit(|&b| b == b'/').next().unwrap_or_default();
        match placeholder {
            Placeholder::Path => join(self.root, self.rel, out),
            Placeholder::Rel => out.extend_from_slice(self.rel),
            Placeholder::Name => out.extend_from_slice(name),
            Placeholder::Stem => out.extend_from_slice(split_extension(name).0),
            Placeholder::Ext => out.extend_from_slice(split_extension(name).1),
            Placeholder::Dir => {
                let folder = self.rel.iter().rposition(|&b| b == b'/').map_or(&[][..], |slash| &self.rel[..slash]);
                join(self.root, folder, out);
            }
            Placeholder::Root => out.extend_from_slice(self.root),
            Placeholder::OldPath => out.extend_from_slice(self.old_path.unwrap_or_default()),
            Placeholder::Event => out.extend_from_slice(self.event.as_bytes()),
            Placeholder::Trigger => out.extend_from_slice(self.trigger.as_bytes()),
            Placeholder::Watch => out.extend_from_slice(self.watch.as_bytes()),
            // It stands alone, where it stands at all.
            Placeholder::Paths => {}
            Placeholder::Fd => out.extend_from_slice(self.opened.as_bytes()),
        }
        if start == 0 && out.first() == Some(&b'-') {
            out.splice(0..0, *b"./");
        }
    }
}

/// Refuses the command of rules that no run of theirs could have: see below. And a file that cannot be opened, since
/// it was deleted or there is none, takes no `{fd}`.
pub fn check_command(rules: &Rules) -> Result<(), ApiError> {
    check(&rules.command, rules.mode)?;
    if !takes_file(&rules.command) {
        return Ok(());
    }
    let refuse = |why: &str, hint: &str| {
        Err(ApiError::usage(format!("{FD} is the file opened for its run, and {why}")).hint(hint))
    };
    if rules.on_schedule == OnSchedule::Once {
        return refuse("with on-schedule once a run is for no file", "leave one of the two out");
    }
    if rules.kinds.contains(&EventKind::Delete) {
        return refuse(
            "one that was deleted can't be opened",
            "leave delete out of --kinds, or make a second watch for what is deleted, with another --name",
        );
    }
    Ok(())
}

/// Refuses a command in which the name of a file would be run: a placeholder in the program, or in text that a
/// program known to read code from its arguments would take as code (shells after `-c`, also behind `env`, `nice` and
/// the like, and interpreters such as `python -c`); and one with a placeholder for which a run of this mode has no
/// value. An empty list is no command and fine.
fn check(argv: &[String], mode: Mode) -> Result<(), ApiError> {
    let Some(program) = argv.first() else { return Ok(()) };
    if let Some(placeholder) = first_placeholder(program) {
        return Err(ApiError::usage(format!(
            "the program to run is '{}', and {placeholder} in it would let the name of a file choose what is run",
            fsmon_protocol::path::escape(program.as_bytes())
        ))
        .hint("name the program itself; placeholders go into its arguments"));
    }
    code::check(argv)?;
    argv.iter().skip(1).try_for_each(|word| check_mode(word, mode))?;
    if argv.iter().filter(|word| *word == PATHS).count() > 1 {
        return Err(ApiError::usage("{paths} stands twice in the command").hint("name the files of a batch once"));
    }
    Ok(())
}

/// Refuses a placeholder that has no value in runs of this mode.
fn check_mode(word: &str, mode: Mode) -> Result<(), ApiError> {
    let mut rest = word;
    while let Some((at, written, placeholder)) = next_placeholder(rest) {
        rest = &rest[at + written.len()..];
        match (mode, placeholder) {
            (Mode::Each, Placeholder::Paths) => {
                return Err(ApiError::usage("{paths} stands for the files of a batch, and each run is for one file")
                    .hint("say --mode batch, or write {path}"));
            }
            (Mode::Batch, Placeholder::Paths) if word != PATHS => {
                let shown = fsmon_protocol::path::escape(word.as_bytes());
                return Err(ApiError::usage(format!("{{paths}} is only a part of the argument '{shown}'"))
                    .hint("write it as an argument of its own: each path becomes one"));
            }
            (Mode::Batch, Placeholder::Paths | Placeholder::Root | Placeholder::Trigger | Placeholder::Watch)
            | (Mode::Worker, Placeholder::Root | Placeholder::Watch)
            | (Mode::Each, _) => {}
            (Mode::Worker, _) => {
                return Err(ApiError::usage(format!(
                    "{written} is about files, and a worker is started before there are any"
                ))
                .hint("leave it out: the worker gets each file as a JSON line on stdin"));
            }
            (Mode::Batch, _) => {
                return Err(ApiError::usage(format!("{written} is about one file, and a batch has many")).hint(
                    "write {paths}, or nothing: then the files come as JSON lines on stdin, with all that is known of each",
                ));
            }
        }
    }
    Ok(())
}

/// Whether the paths of a batch stand in the command.
pub fn takes_paths(argv: &[String]) -> bool {
    argv.iter().any(|word| word == PATHS)
}

/// Whether the file is to be opened for the command.
pub fn takes_file(argv: &[String]) -> bool {
    argv.iter().skip(1).any(|word| word.contains(FD))
}

/// The argv for one file: as many arguments as the template has, or one more where the path is appended. Assumes a
/// template that [`check_command`] has accepted.
pub fn expand(argv: &[String], values: &Values<'_>, append_path: bool) -> Vec<OsString> {
    let mut found = false;
    let mut out = Vec::with_capacity(argv.len() + 1);
    for (index, word) in argv.iter().enumerate() {
        let (argument, replaced) = if index == 0 { (OsString::from(word), false) } else { replace(word, values) };
        found |= replaced;
        out.push(argument);
    }
    if !found && append_path && !out.is_empty() {
        let mut path = Vec::with_capacity(values.root.len() + values.rel.len() + 1);
        values.append(Placeholder::Path, &mut path);
        out.push(OsString::from_vec(path));
    }
    out
}

/// The argv for a batch: where `{paths}` stands, an argument for each of these absolute paths.
pub fn expand_batch<'a>(
    argv: &[String],
    values: &Values<'_>,
    paths: impl Iterator<Item = &'a RawPath>,
) -> Vec<OsString> {
    let mut paths = Some(paths);
    let mut out = Vec::new();
    for (index, word) in argv.iter().enumerate() {
        match (word == PATHS).then(|| paths.take()).flatten() {
            Some(paths) => out.extend(paths.map(|path| OsString::from_vec(path.as_bytes().to_vec()))),
            None if index == 0 => out.push(OsString::from(word)),
            None => out.push(replace(word, values).0),
        }
    }
    out
}

/// An argument with its placeholders replaced, and whether it had any.
fn replace(word: &str, values: &Values<'_>) -> (OsString, bool) {
    let mut found = false;
    let mut argument = Vec::with_capacity(word.len() + 64);
    let mut rest = word;
    while let Some((at, text, placeholder)) = next_placeholder(rest) {
        found = true;
        argument.extend_from_slice(&rest.as_bytes()[..at]);
        values.append(placeholder, &mut argument);
        rest = &rest[at + text.len()..];
    }
    argument.extend_from_slice(rest.as_bytes());
    (OsString::from_vec(argument), found)
}

/// The first placeholder in `text`: where it is, how it is written, and which it is.
fn next_placeholder(text: &str) -> Option<(usize, &'static str, Placeholder)> {
    let mut from = 0;
    while let Some(at) = text[from..].find('{').map(|n| n + from) {
        for (written, placeholder) in PLACEHOLDERS {
            if text[at..].starts_with(written) {
                return Some((at, written, placeholder));
            }
        }
        from = at + 1;
    }
    None
}

/// The first placeholder in `text` as it is written.
fn first_placeholder(text: &str) -> Option<&'static str> {
    next_placeholder(text).map(|(_, written, _)| written)
}

/// Appends `folder/name`, or only the folder where there is no name. The root `/` gets no second slash.
fn join(folder: &[u8], name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(folder);
    if !name.is_empty() {
        if folder.last() != Some(&b'/') {
            out.push(b'/');
        }
        out.extend_from_slice(name);
    }
}

/// A name's stem and its last extension without the dot. A dot at the beginning starts no extension.
fn split_extension(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|&b| b == b'.') {
        Some(dot) if dot > 0 => (&name[..dot], &name[dot + 1..]),
        _ => (name, &[]),
    }
}

#[cfg(test)]
mod tests;
