//! Which files and folders of a watch count: one matcher over its rules. Pure: it never touches the file system, never
//! reads a `.gitignore`, and knows paths only as bytes relative to the root.
//!
//! `include` and `exclude` are lists of patterns in gitignore syntax (<https://git-scm.com/docs/gitignore>), read top
//! to bottom, where the last one that matches decides:
//!
//! | pattern | matches |
//! |---|---|
//! | `*.csv` | at any depth, since there is no slash but at its end |
//! | `/a.csv`, `in/*.csv` | only from the root on, since there is a slash at its beginning or middle |
//! | `in/**/x`, `**/in/x` | `**` stands for any number of folders |
//! | `tmp/` | only folders, at any depth |
//! | `!keep.csv` | takes back what a pattern before it matched |
//! | `\#a`, `\!a` | a name that begins with `#` or `!` |
//!
//! Beyond gitignore `{a,b}` stands for either. `?` and `[…]` match one byte, and case counts.
//!
//! - A folder that `exclude` matches is not entered, so nothing below it is seen, and no `!` reaches below it.
//! - A file counts if `include` is empty or matches it, or else the nearest folder above it that any pattern matches;
//!   so `src/` includes all below `src`. `include` never keeps a folder from being entered.
//! - `exclude` is stronger than `include`; hidden names and depth are asked beside both.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use fsmon_protocol::explain::Rule;
use fsmon_protocol::path::escape;
use fsmon_protocol::spec::Rules;
use fsmon_protocol::{ApiError, Size};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder, Glob};

use crate::ready::ReadyName;

/// The rules of one watch about what counts, ready to be asked. Cheap to ask: nothing is allocated per call, and where
/// no patterns are given no matcher is asked either.
#[derive(Debug, Clone)]
pub struct Filter {
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
    hidden: bool,
    recursive: bool,
    deepest: u32,
    ready: Option<ReadyName>,
    min_size: u64,
    max_size: u64,
}

/// What decided whether a path counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The rule.
    pub rule: Rule,
    /// The pattern that matched: of the list that the rule is named for; of `exclude` where that takes back.
    pub pattern: Option<&'a str>,
    /// How much of the path it matched: less than all of it where that is a folder above.
    pub upto: usize,
}

impl Filter {
    /// Reads the patterns. A bad one is a usage error that names it and says why it is bad.
    pub fn new(rules: &Rules) -> Result<Self, ApiError> {
        if !rules.include.is_empty() && rules.include.iter().all(|glob| glob.starts_with('!')) {
            return Err(ApiError::usage("include has only patterns with '!', so that no file would ever match")
                .hint("to leave files out, give the patterns without '!' to exclude"));
        }
        Ok(Self {
            include: matcher("include", &rules.include)?,
            exclude: matcher("exclude", &rules.exclude)?,
            hidden: rules.hidden,
            recursive: rules.recursive,
            deepest: if rules.recursive { rules.max_depth.unwrap_or(u32::MAX) } else { 0 },
            ready: rules.ready_file.as_deref().map(ReadyName::new).transpose()?,
            min_size: rules.min_size.map_or(0, |Size(n)| n),
            max_size: rules.max_size.map_or(u64::MAX, |Size(n)| n),
        })
    }

    /// Whether everything is let in, so that paths need not be made to ask.
    pub fn is_trivial(&self) -> bool {
        self.include.is_none() && self.exclude.is_none() && self.hidden && self.deepest == u32::MAX
    }

    /// Whether a folder is entered, given that the folders above it are. `rel` is its path relative to the root;
    /// `depth` is how many levels below the root it is: 0 for the root itself, which is always entered.
    pub fn folder(&self, rel: &[u8], depth: u32) -> bool {
        self.decide_folder(rel, depth).rule.lets_in()
    }

    /// The same, and which rule decides.
    pub fn decide_folder(&self, rel: &[u8], depth: u32) -> Decision<'_> {
        let decision = |rule| Decision { rule, pattern: None, upto: rel.len() };
        if rel.is_empty() {
            decision(Rule::All)
        } else if depth > self.deepest {
            decision(if self.recursive { Rule::MaxDepth } else { Rule::NoRecursive })
        } else if self.is_hidden(rel) {
            decision(Rule::Hidden)
        } else {
            self.decide_exclude(rel, true)
        }
    }

    /// Whether a file (anything that is no folder) counts, given that the folders above it are entered.
    pub fn file(&self, rel: &[u8]) -> bool {
        self.decide_file(rel).rule.lets_in()
    }

    /// The same, and which rule decides.
    pub fn decide_file(&self, rel: &[u8]) -> Decision<'_> {
        if self.is_hidden(rel) {
            return Decision { rule: Rule::Hidden, pattern: None, upto: rel.len() };
        }
        let decision = self.decide_exclude(rel, false);
        if decision.rule == Rule::Exclude {
            return decision;
        }
        match &self.include {
            None => decision,
            Some(globs) => match decide_include(globs, rel) {
                included if included.rule == Rule::Include => included,
                _ if self.is_ready_file(name(rel)) => Decision { rule: Rule::ReadyFile, ..decision },
                not_included => not_included,
            },
        }
    }

    /// How ready files are named, where files wait for one.
    pub fn ready(&self) -> Option<&ReadyName> {
        self.ready.as_ref()
    }

    /// Whether a file of this name says that another one is ready. It is seen whatever `include` says.
    pub fn is_ready_file(&self, name: &[u8]) -> bool {
        self.ready.as_ref().is_some_and(|ready| ready.is_one(name))
    }

    /// Whether a file of this size runs the command. Its size never keeps a file out of the ledger.
    pub fn size_ok(&self, size: u64) -> bool {
        (self.min_size..=self.max_size).contains(&size)
    }

    fn is_hidden(&self, rel: &[u8]) -> bool {
        !self.hidden && name(rel).first() == Some(&b'.')
    }

    fn decide_exclude(&self, rel: &[u8], folder: bool) -> Decision<'_> {
        let answer = self.exclude.as_ref().map_or(Match::None, |globs| ask(globs, rel, folder));
        let rule = if answer.is_ignore() { Rule::Exclude } else { Rule::All };
        Decision { rule, pattern: written(&answer), upto: rel.len() }
    }
}

fn decide_include<'a>(globs: &'a Gitignore, rel: &[u8]) -> Decision<'a> {
    let mut answer = ask(globs, rel, false);
    let mut rest = rel;
    while answer.is_none()
        && let Some(slash) = rest.iter().rposition(|&b| b == b'/')
    {
        rest = &rest[..slash];
        answer = ask(globs, rest, true);
    }
    let rule = if answer.is_ignore() { Rule::Include } else { Rule::NotIncluded };
    let upto = if answer.is_none() { rel.len() } else { rest.len() };
    Decision { rule, pattern: written(&answer), upto }
}

/// The pattern that answered, as it was given.
fn written<'a>(answer: &Match<&'a Glob>) -> Option<&'a str> {
    answer.inner().map(|glob| glob.original())
}

/// What a list of patterns says about one path itself: `Ignore` means matched, `Whitelist` means taken back.
fn ask<'a>(globs: &'a Gitignore, rel: &[u8], folder: bool) -> Match<&'a Glob> {
    globs.matched(OsStr::from_bytes(rel), folder)
}

/// The last component.
fn name(rel: &[u8]) -> &[u8] {
    rel.rsplit(|&b| b == b'/').next().unwrap_or(rel)
}

/// Reads one list of patterns; none for an empty one.
fn matcher(option: &str, globs: &[String]) -> Result<Option<Gitignore>, ApiError> {
    if globs.is_empty() {
        return Ok(None);
    }
    let bad = |glob: &str, why: &str| {
        ApiError::usage(format!("{option} '{}' is not a pattern: {why}", escape(glob.as_bytes())))
            .hint("patterns are written as in .gitignore, like '*.csv', '/in/*.csv' or 'tmp/'")
    };
    // With "." as its root the builder strips no prefix from what it is asked about.
    let mut builder = GitignoreBuilder::new(".");
    builder.allow_unclosed_class(false);
    for glob in globs {
        if let Some(why) = never_matches(glob) {
            return Err(bad(glob, why));
        }
        builder.add_line(None, glob).map_err(|error| bad(glob, &reason(&error)))?;
    }
    // Only the set as a whole can fail here: each pattern was read, but together they are too large.
    let built = builder.build().map_err(|error| bad(&globs.join(" "), &reason(&error)))?;
    Ok(Some(built))
}

/// Why a pattern that can be read would silently do nothing. In a `.gitignore` such a line is harmless; given as an
/// option it is a mistake, and an include list that is silently empty would match everything.
fn never_matches(glob: &str) -> Option<&'static str> {
    if glob.starts_with('#') {
        return Some("a line that begins with '#' is a comment; write '\\#' for a name that begins so");
    }
    let body = glob.strip_prefix('!').unwrap_or(glob).trim_end();
    if body.trim_start_matches('/').is_empty() {
        return Some("it names nothing below the root");
    }
    if body.starts_with("//") {
        return Some("it begins with more than one '/'");
    }
    if body.split('/').any(|part| part == "." || part == "..") {
        return Some("'.' and '..' never match; patterns are relative to the root, and '/a' is 'a' right below it");
    }
    None
}

/// What the pattern's reader has to say, without the pattern itself.
fn reason(error: &ignore::Error) -> String {
    match error {
        ignore::Error::Glob { err, .. } => err.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
