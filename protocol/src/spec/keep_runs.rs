//! How much of a watch's history of runs is kept: so many runs, or those of so long.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number_or_word;
use crate::path::escape;
use crate::units::Span;

/// What is kept; what the daemon keeps at most holds beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeepRuns {
    /// The newest runs of the watch, so many.
    Newest(u32),
    /// Those that started so long ago or less.
    For(Span),
}

impl FromStr for KeepRuns {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let kept = number.map(Self::Newest).or_else(|| text.parse().ok().map(Self::For));
        kept.filter(|kept| !matches!(kept, Self::Newest(0))).ok_or_else(|| {
            format!(
                "'{}' is neither a number of runs from 1 on, like 500, nor a duration, like 30d",
                escape(text.as_bytes())
            )
        })
    }
}

impl fmt::Display for KeepRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest(runs) => runs.fmt(f),
            Self::For(span) => span.fmt(f),
        }
    }
}

impl Serialize for KeepRuns {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeepRuns {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            return number_or_word::read(d, "a number of runs from 1 on, or a duration like \"30d\"");
        }
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}
