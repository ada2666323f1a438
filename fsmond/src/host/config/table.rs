//! Reads one table of a config key by key, so that each fault is told with its own line, and all of them at once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use fsmon_protocol::path::escape;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, ValueDeserializer};

use super::error::{ConfigError, Problem};
use super::known;

/// Where in the text something stands, in bytes.
pub type Span = Range<usize>;
/// A key and its value.
pub type Entry<'i> = (Spanned<DeString<'i>>, Spanned<DeValue<'i>>);

/// Collects faults of one text.
pub struct Problems<'t> {
    file: &'t Path,
    text: &'t str,
    found: Vec<Problem>,
}

impl<'t> Problems<'t> {
    /// None yet.
    pub fn new(file: &'t Path, text: &'t str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// One at this place.
    pub fn add(&mut self, at: &Span, message: impl Into<String>) {
        let message = message.into().replace('\n', "; ");
        self.found.push(Problem { line: Some(self.line(at)), message });
    }

    /// The one of a check, with `prefix` before it.
    pub fn check(&mut self, at: &Span, checked: Result<(), String>, prefix: &str) {
        if let Err(message) = checked {
            self.add(at, format!("{prefix}{message}"));
        }
    }

    /// The one that the TOML reader found, at its own place or else at `at`.
    pub fn toml(&mut self, error: &toml::de::Error, at: Span, prefix: &str) {
        let message = escape(error.message().trim().replace('\n', ", ").as_bytes()).into_owned();
        self.add(&error.span().unwrap_or(at), format!("{prefix}{message}"));
    }

    /// The line of this place, from 1.
    pub fn line(&self, at: &Span) -> usize {
        let end = at.start.min(self.text.len());
        self.text.as_bytes()[..end].split(|b| *b == b'\n').count()
    }

    /// All of them as one error, in the order of their lines.
    pub fn into_error(mut self) -> ConfigError {
        self.found.sort_by_key(|p| p.line);
        ConfigError { file: self.file.to_owned(), problems: self.found }
    }
}

/// What stands in a table, in the order of the file.
pub fn in_order(table: DeTable<'_>) -> Vec<Entry<'_>> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// The entries of the value of `name`, which has to be a table.
pub fn entries<'i>(problems: &mut Problems<'_>, value: Spanned<DeValue<'i>>, name: &str) -> Option<Vec<Entry<'i>>> {
    let at = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Some(in_order(table)),
        DeValue::Array(_) => {
            problems.add(&at, format!("{name} is there once only, in single brackets"));
            None
        }
        _ => {
            problems.add(&at, format!("{name} is a table; write {name} in a line by itself"));
            None
        }
    }
}

/// A key as it is compared: `-` and `_` are the same.
pub fn normal(key: &str) -> String {
    key.replace('_', "-")
}

/// Text of the file as it is shown to people.
pub fn shown(text: &str) -> Cow<'_, str> {
    escape(text.as_bytes())
}

/// Reads `entries` into a `T`. Each key is read by itself first and shown to `check`; those with a fault are left out
/// of the result. `prefix` goes before each message, to say which watch it is about.
pub fn read<T: DeserializeOwned + Default>(
    problems: &mut Problems<'_>,
    entries: Vec<Entry<'_>>,
    prefix: &str,
    check: impl Fn(&T) -> Result<(), String>,
) -> T {
    let allowed = known::keys::<T>();
    let mut seen = BTreeMap::new();
    let mut good = DeTable::new();
    for (key, value) in entries {
        let name = normal(key.get_ref());
        if !allowed.contains(&name.as_str()) {
            let instead = known::instead(&name, allowed).map_or_else(String::new, |hint| format!("; {hint}"));
            problems.add(&key.span(), format!("{prefix}unknown key '{}'{instead}", shown(key.get_ref())));
            continue;
        }
        let line = problems.line(&key.span());
        if let Some(first) = seen.insert(name.clone(), line) {
            problems.add(&key.span(), format!("{prefix}{name} is given twice, first in line {first}"));
            continue;
        }
        let mut alone = DeTable::new();
        alone.insert(Spanned::new(key.span(), Cow::Owned(name.clone())), value.clone());
        match T::deserialize(deserializer(alone, key.span())) {
            Err(e) => problems.toml(&e, key.span(), &format!("{prefix}{name}: ")),
            Ok(given) => {
                let before = problems.count();
                problems.check(&key.span(), check(&given), prefix);
                if problems.count() == before {
                    good.insert(Spanned::new(key.span(), Cow::Owned(name)), value);
                }
            }
        }
    }
    T::deserialize(deserializer(good, 0..0)).unwrap_or_default()
}

fn deserializer(table: DeTable<'_>, at: Span) -> ValueDeserializer<'_> {
    ValueDeserializer::from(Spanned::new(at, DeValue::Table(table)))
}

/// Refuses a path that is not absolute, and says what is not done for it.
pub fn absolute(key: &str, path: &Path) -> Result<(), String> {
    let text = path.to_string_lossy();
    if text.contains('\0') {
        return Err(format!("{key} has a NUL in it"));
    }
    if path.is_absolute() {
        return Ok(());
    }
    let shown = shown(&text);
    if text.starts_with('~') || text.starts_with('$') {
        return Err(format!(
            "{key} '{shown}': '~' and variables are not expanded here; write the whole path, from / on"
        ));
    }
    Err(format!("{key} '{shown}' is a relative path; write the whole path, from / on"))
}
