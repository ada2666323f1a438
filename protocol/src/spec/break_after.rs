//! After how many failed runs in a row a watch stops running all that is pending: a number, or `off`.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
            return d.deserialize_any(NumberOrOff);
        }
        let runs = u32::deserialize(d)?;
        Ok(if runs == 0 { Self::Off } else { Self::Runs(runs) })
    }
}

/// In a text a number may be written as one, or as a word.
struct NumberOrOff;

impl Visitor<'_> for NumberOrOff {
    type Value = BreakAfter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of runs from 1 on, or \"off\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<BreakAfter, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, runs: i64) -> Result<BreakAfter, E> {
        self.visit_str(&runs.to_string())
    }

    fn visit_u64<E: Error>(self, runs: u64) -> Result<BreakAfter, E> {
        self.visit_str(&runs.to_string())
    }
}
