//! Ready files: a file is processed when another one beside it says that it is complete. Pure: a pattern and names.

use fsmon_protocol::ApiError;
use fsmon_protocol::path::escape;

/// How the ready file of a file is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyName {
    before: Vec<u8>,
    /// Whether the name without its last extension stands in it, else the whole name.
    stem: bool,
    after: Vec<u8>,
}

impl ReadyName {
    /// Reads a pattern: a name with one `{name}` or `{stem}` in it, such as `{name}.done`.
    pub fn new(pattern: &str) -> Result<Self, ApiError> {
        let parts = [("{name}", false), ("{stem}", true)]
            .into_iter()
            .find_map(|(written, stem)| pattern.split_once(written).map(|(before, after)| (before, stem, after)));
        let usable = parts.filter(|(before, _, after)| {
            !(before.is_empty() && after.is_empty())
                && [before, after]
                    .iter()
                    .all(|part| !part.contains(['/', '\0']) && !part.contains("{name}") && !part.contains("{stem}"))
        });
        let Some((before, stem, after)) = usable else {
            let text =
                format!("ready-file '{}' is no name with one {{name}} or {{stem}} in it", escape(pattern.as_bytes()));
            return Err(
                ApiError::usage(text).hint("write it as '{name}.done': then x.csv is ready when x.csv.done is there")
            );
        };
        Ok(Self { before: before.into(), stem, after: after.into() })
    }

    /// The name of the ready file of a file of this name, in the same folder.
    pub fn of(&self, name: &[u8]) -> Vec<u8> {
        let middle = if self.stem { stem(name) } else { name };
        [&self.before, middle, &self.after].concat()
    }

    /// Whether a file of this name is a ready file itself.
    pub fn is_one(&self, name: &[u8]) -> bool {
        name.len() > self.before.len() + self.after.len()
            && name.starts_with(&self.before)
            && name.ends_with(&self.after)
    }
}

/// A name without its last extension. A dot at the beginning starts none.
fn stem(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&b| b == b'.') {
        Some(dot) if dot > 0 => &name[..dot],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_the_names_of_their_ready_files_belong_together() {
        for (pattern, name, ready) in [
            ("{name}.done", "x.csv", "x.csv.done"),
            ("{stem}.ok", "x.csv", "x.ok"),
            (".{name}.ready", "x.csv", ".x.csv.ready"),
            ("{stem}.ok", ".csv", ".csv.ok"),
        ] {
            let rule = ReadyName::new(pattern).unwrap();
            assert_eq!(rule.of(name.as_bytes()), ready.as_bytes());
            assert!(rule.is_one(ready.as_bytes()) && !rule.is_one(name.as_bytes()), "{pattern}");
        }
    }

    #[test]
    fn what_names_no_other_file_is_refused() {
        for pattern in ["", "done", "{name}", "{stem}", "a/{name}.x", "{name}{stem}", "{name}.{name}", "{path}.done"] {
            let error = ReadyName::new(pattern).unwrap_err();
            assert!(error.message.contains("ready-file") && error.hint.is_some(), "{error}");
        }
    }
}
