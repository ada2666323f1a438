//! Reads `[[watch]]`: name and path, and beside them any option of `fsmonctl add`.

use std::collections::BTreeMap;
use std::path::Path;

use fsmon_protocol::ApiError;
use fsmon_protocol::spec::{Options, Rules, WatchSpec, check_name};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::Check;
use super::table::{self, Entry, Problems, Span, absolute, shown};

/// Every watch of the config, those with a fault left out.
pub fn read_all(
    problems: &mut Problems<'_>,
    value: Spanned<DeValue<'_>>,
    defaults: &Options,
    check: Check<'_>,
) -> Vec<WatchSpec> {
    let at = value.span();
    let DeValue::Array(items) = value.into_inner() else {
        problems.add(&at, "a watch is written [[watch]], with two brackets");
        return Vec::new();
    };
    let mut lines = BTreeMap::new();
    let mut watches = Vec::new();
    for item in items {
        let at = item.span();
        let DeValue::Table(table) = item.into_inner() else {
            problems.add(&at, "a watch is a table; write [[watch]] in a line by itself");
            continue;
        };
        let Some((spec, name_at)) = read(problems, table, &at, defaults, check) else { continue };
        let line = problems.line(&name_at);
        if let Some(first) = lines.insert(spec.name.clone(), line) {
            problems.add(
                &name_at,
                format!(
                    "two watches are named '{}', the first in line {first}; give one of them another name",
                    spec.name
                ),
            );
            continue;
        }
        watches.push(spec);
    }
    watches
}

/// One watch, and where its name stands (its path, where it takes its name from that).
fn read(
    problems: &mut Problems<'_>,
    table: DeTable<'_>,
    at: &Span,
    defaults: &Options,
    check: Check<'_>,
) -> Option<(WatchSpec, Span)> {
    let before = problems.count();
    let (mut name, mut path) = (None, None);
    let mut options = Vec::new();
    for (key, value) in table::in_order(table) {
        match key.get_ref().as_ref() {
            "name" => name = text(problems, (key, value)),
            "path" => path = text(problems, (key, value)),
            _ => options.push((key, value)),
        }
    }
    let Some((path, path_at)) = path else {
        if problems.count() == before {
            problems.add(at, "this watch has no path; write path = \"/…\"");
        }
        return None;
    };
    problems.check(&path_at, absolute("path", Path::new(&path)), "");
    let (name, name_at) = match name {
        Some((name, name_at)) => {
            problems.check(&name_at, check_name(&name).map_err(sentence), "");
            (name, name_at)
        }
        None => (name_of(problems, &path, &path_at), path_at),
    };
    let prefix = format!("watch '{}': ", shown(&name));
    let options: Options = table::read(problems, options, &prefix, |given| check_options(given, check));
    if problems.count() == before {
        // Only what no option is at fault for alone.
        let merged = options.clone().or(defaults);
        let mode = options.check_mode(merged.mode.unwrap_or_default()).map_err(sentence);
        problems.check(at, mode.and_then(|()| check_options(&merged, check)), &prefix);
    }
    (problems.count() == before).then_some((WatchSpec { name, path, options }, name_at))
}

/// The name a watch takes from its path: the last component, as for `fsmonctl add`. It is never changed to make it
/// unique, since the name must stay the same whatever else the config holds.
fn name_of(problems: &mut Problems<'_>, path: &str, at: &Span) -> String {
    let name = Path::new(path).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if check_name(&name).is_err() {
        problems.add(at, "the end of this path can't be the name of a watch; write name = \"…\" beside it");
    }
    name
}

/// A key whose value is text, and where it stands.
fn text(problems: &mut Problems<'_>, (key, value): Entry<'_>) -> Option<(String, Span)> {
    match String::deserialize(ValueDeserializer::from(value)) {
        Ok(text) => Some((text, key.span())),
        Err(e) => {
            problems.toml(&e, key.span(), &format!("{}: ", key.get_ref()));
            None
        }
    }
}

/// Options that make no sense, in one sentence with what to do about it.
pub fn check_options(options: &Options, check: Check<'_>) -> Result<(), String> {
    if let Some(cwd) = &options.cwd {
        absolute("cwd", Path::new(cwd))?;
    }
    let rules = Rules::from_options(options);
    rules.check().and_then(|()| check(&rules)).map_err(sentence)
}

/// An error of the protocol with its hint, on one line.
fn sentence(error: ApiError) -> String {
    match error.hint {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message,
    }
}
