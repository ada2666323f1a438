//! After how many failed runs in a row a watch stops running all that is pending: a number, or `off`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number_or_word;
use crate::path::escape;

/// When what the command needs is taken to be broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum BreakAfter {
    /// Never.
    #[default]
    Off,
    /// When so many runs in a row have failed.
    Runs(u32),
}

impl FromStr for BreakAfter {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "off" => Ok(Self::Off),
            number => match number.parse() {
                Ok(runs) if runs > 0 => Ok(Self::Runs(runs)),
                _ => Err(format!("'{}' is neither a number of runs from 1 on nor 'off'", escape(text.as_bytes()))),
            },
        }
    }
}

impl fmt::Display for BreakAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Runs(runs) => runs.fmt(f),
        }
    }
}

impl Serialize for BreakAfter {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off if s.is_human_readable() => s.serialize_str("off"),
            Self::Off => s.serialize_u32(0),
            Self::Runs(runs) => s.serialize_u32(*runs),
        }
    }
}

impl<'de> Deserialize<'de> for BreakAfter {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            return number_or_word::read(d, "a number of runs from 1 on, or \"off\"");
        }
        let runs = u32::deserialize(d)?;
        Ok(if runs == 0 { Self::Off } else { Self::Runs(runs) })
    }
}
