//! Ignore files (`.gitignore`): what one of them says about the paths below its folder, as git understands it. Pure: text
//! in, answers out. It never reads a file and knows nothing of watches.
//!
//! The `ignore` crate matches; [`line`] writes each line of a file so that the crate takes it for what git does. Where
//! the two cannot be brought together, a line ignores nothing and a `!` takes back more: a file too many is watched
//! rather than one too few.
//!
//! Of the files above a path the nearest one that says anything decides. A folder that is ignored is not entered, so no
//! `!` reaches below it. What git knows beside these files (its index, `.git/info/exclude`, the user's own list) is not
//! asked.

mod line;

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// How ignore files are named.
pub const NAME: &[u8] = b".gitignore";
/// git's own folder (a file, in a work tree beside it), which is ignored wherever ignore files are heeded.
pub const GIT: &[u8] = b".git";
/// Larger ones are not taken: what they say has to be held in memory, and made ready in a moment.
pub const LARGEST: usize = 256 * 1024;
/// Nor are those of more rules.
const MOST_RULES: usize = 10_000;
/// A rule takes about 3 KiB of memory, and as much again for each so many bytes of it.
const BYTES_OF_RULE: usize = 16;
/// So many bytes of text take what a rule does.
const BYTES_OF_TEXT: usize = 3 * 1024;

/// One ignore file, ready to be asked.
pub struct IgnoreFile {
    text: Box<[u8]>,
    rules: Gitignore,
    odd: usize,
    weight: usize,
}

impl IgnoreFile {
    /// Reads its text. Refused is what is too large; a line that says nothing is counted, as git does not mind it.
    pub fn new(text: &[u8]) -> Result<Self, String> {
        if text.len() > LARGEST {
            return Err(format!("it has more than {LARGEST} bytes"));
        }
        // With "." as its root the builder strips no prefix from what it is asked about.
        let mut builder = GitignoreBuilder::new(".");
        builder.allow_unclosed_class(false);
        let (mut rules, mut odd, mut weight) = (0, 0, text.len() / BYTES_OF_TEXT);
        for (index, line) in lines(text).enumerate() {
            let pattern = match line::read(line) {
                Ok(Some(pattern)) => pattern,
                Ok(None) => continue,
                Err(line::Odd) => {
                    odd += 1;
                    continue;
                }
            };
            // The crate keeps with each rule the path it is from, for those who tell of it; here the number of its line.
            match builder.add_line(Some(PathBuf::from((index + 1).to_string())), &pattern) {
                Ok(_) => {
                    rules += 1;
                    weight += 1 + pattern.len() / BYTES_OF_RULE;
                }
                Err(_) => odd += 1,
            }
            if rules > MOST_RULES {
                return Err(format!("it has more than {MOST_RULES} rules"));
            }
        }
        let rules = builder.build().map_err(|_| "its rules are too large together".to_owned())?;
        Ok(Self { text: text.into(), rules, odd, weight })
    }

    /// Its text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// How many rules it has.
    pub fn rules(&self) -> usize {
        self.rules.len()
    }

    /// How much memory it takes, in short rules: many bytes of text or of one rule count as more.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// How many of its lines say nothing that could be understood.
    pub fn odd(&self) -> usize {
        self.odd
    }

    /// Whether it ignores a path relative to its folder; none where it says nothing about it.
    pub fn ignores(&self, rel: &[u8], dir: bool) -> Option<bool> {
        let answer = self.rules.matched(OsStr::from_bytes(rel), dir);
        (!answer.is_none()).then(|| answer.is_ignore())
    }

    /// The line that decides about a path relative to its folder: its number and its text.
    pub fn line(&self, rel: &[u8], dir: bool) -> Option<(u32, &[u8])> {
        let answer = self.rules.matched(OsStr::from_bytes(rel), dir);
        let number: u32 = answer.inner()?.from().and_then(Path::to_str)?.parse().ok()?;
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        Some((number, lines(&self.text).nth(index)?))
    }
}

impl PartialEq for IgnoreFile {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for IgnoreFile {}

impl fmt::Debug for IgnoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IgnoreFile({:?})", String::from_utf8_lossy(&self.text))
    }
}

/// Which of the ignore files above a path decides about it, the nearest first: `above` gives each with how many bytes of
/// the path lead to its folder.
pub fn decide<'a>(
    above: impl IntoIterator<Item = (usize, &'a IgnoreFile)>,
    rel: &[u8],
    dir: bool,
) -> Option<(usize, &'a IgnoreFile, bool)> {
    let said = |(from, file): (usize, &'a IgnoreFile)| Some((from, file, file.ignores(rel.get(from..)?, dir)?));
    above.into_iter().find_map(said)
}

/// Lines without their ends; a mark of byte order before the first is none of it.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests;
