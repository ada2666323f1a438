//! Which keys a table may have, asked of the type that it is read into; and what may have been meant by another.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// The names of the fields of `T` as serde reads them, so that no second list of options has to be kept.
pub fn keys<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Always an error: nothing is read, only asked.
    let _ = T::deserialize(Ask(&mut names));
    names
}

/// A deserializer that takes note of the fields it is asked for.
struct Ask<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only asked"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("only asked"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// What to write instead of `key`, where it is near one of `known` or is the name of a command line option.
pub fn instead(key: &str, known: &[&str]) -> Option<String> {
    let has = |name: &str| known.contains(&name);
    match key {
        "no-path" if has("append-path") => return Some("write append-path = false".into()),
        "interval" | "schedule" if has("every") => return Some("write every = \"2h\"".into()),
        "cmd" | "run" | "exec" if has("command") => return Some("write command = [\"…\"]".into()),
        _ => {}
    }
    if let Some(rest) = key.strip_prefix("no-")
        && has(rest)
    {
        return Some(format!("write {rest} = false"));
    }
    let (near, steps) = known.iter().map(|name| (name, distance(key, name))).min_by_key(|(_, steps)| *steps)?;
    (steps <= 2 && steps < key.len()).then(|| format!("did you mean '{near}'?"))
}

/// How many letters must be added, taken away or changed to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let changed = corner + usize::from(from != *to);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use fsmon_protocol::spec::Options;

    use super::*;

    #[test]
    fn keys_are_those_of_the_type() {
        let keys = keys::<Options>();
        assert!(keys.contains(&"command") && keys.contains(&"open-quiet") && keys.contains(&"attrib"));
    }

    #[test]
    fn near_misses_are_told() {
        let keys = keys::<Options>();
        assert_eq!(instead("incldue", keys).as_deref(), Some("did you mean 'include'?"));
        assert_eq!(instead("no-recursive", keys).as_deref(), Some("write recursive = false"));
        assert_eq!(instead("no-path", keys).as_deref(), Some("write append-path = false"));
        assert_eq!(instead("frobnicate", keys), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
