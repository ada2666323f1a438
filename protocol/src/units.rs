//! Spans of time, sizes and points in time: how people write them, and how they travel.
//!
//! For people (`Display`, `FromStr`, TOML, JSON) they are `500ms`, `2h`, `10M` and RFC 3339 in UTC; on the wire they
//! are whole numbers.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time, written `500ms 30s 15m 2h 1d`, also several in a row (`1h30m`). Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

impl Span {
    /// So many seconds.
    pub const fn secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// So many milliseconds.
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// In nanoseconds, at most `u64::MAX` of them (584 years).
    pub fn nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What was written is not a span, size or time; says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not {expected}", crate::path::escape(given.as_bytes()))]
pub struct ParseUnitError {
    given: String,
    expected: &'static str,
}

/// Longest span that is accepted: 100 years. Beyond it arithmetic on clocks has no meaning.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);
/// What one that is longer is not.
const SHORT: &str = "shorter than 100 years";

impl FromStr for Span {
    type Err = ParseUnitError;
    fn from_str(s: &str) -> Result<Self, ParseUnitError> {
        let wrong = || ParseUnitError { given: s.into(), expected: "a duration like 500ms, 30s, 15m, 2h or 1d" };
        if has_calendar_unit(s) {
            return Err(wrong());
        }
        let parsed = humantime::parse_duration(s.trim()).map_err(|_| wrong())?;
        let too_long = || ParseUnitError { given: s.into(), expected: SHORT };
        if parsed > LONGEST { Err(too_long()) } else { Ok(Self(parsed)) }
    }
}

/// Whether months or years are meant. They have no fixed length, and `15M` is nearly always a slip for `15m`.
fn has_calendar_unit(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphabetic())
        .any(|unit| matches!(unit, "M" | "month" | "months" | "y" | "yr" | "yrs" | "year" | "years"))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in [
            ("d", 86_400_000_000_000),
            ("h", 3_600_000_000_000),
            ("m", 60_000_000_000),
            ("s", 1_000_000_000),
            ("ms", 1_000_000),
            ("us", 1_000),
            ("ns", 1),
        ] {
            let n = rest / size;
            rest %= size;
            if n > 0 {
                write!(f, "{n}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_u64(self.nanos()) }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(D::Error::custom)
        } else {
            Ok(Self(Duration::from_nanos(u64::deserialize(d)?).min(LONGEST)))
        }
    }
}

/// A span, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpanOrOff {
    /// Never.
    Off,
    /// After so long, or so often.
    On(Span),
}

impl SpanOrOff {
    /// The span, or none where it is off.
    pub const fn span(self) -> Option<Span> {
        match self {
            Self::Off => None,
            Self::On(span) => Some(span),
        }
    }
}

impl FromStr for SpanOrOff {
    type Err = ParseUnitError;
    fn from_str(s: &str) -> Result<Self, ParseUnitError> {
        if s.trim() == "off" {
            return Ok(Self::Off);
        }
        s.parse().map(Self::On).map_err(|error: ParseUnitError| match error.expected {
            SHORT => error,
            _ => ParseUnitError { given: s.into(), expected: "a duration like 30s, 15m, 2h or 1d, nor 'off'" },
        })
    }
}

impl fmt::Display for SpanOrOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On(span) => span.fmt(f),
        }
    }
}

impl Serialize for SpanOrOff {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { self.span().map(Span::nanos).serialize(s) }
    }
}

impl<'de> Deserialize<'de> for SpanOrOff {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(D::Error::custom)
        } else {
            let nanos = Option::<u64>::deserialize(d)?;
            Ok(nanos.map_or(Self::Off, |n| Self::On(Span(Duration::from_nanos(n).min(LONGEST)))))
        }
    }
}

/// A size in bytes, written `64K`, `10M`, `2G` (powers of 1024) or a bare number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = ParseUnitError;
    fn from_str(s: &str) -> Result<Self, ParseUnitError> {
        let wrong = || ParseUnitError { given: s.into(), expected: "a size like 500, 64K, 10M or 2G" };
        let text = s.trim();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift = match &text[digits.len()..] {
            "" | "B" => 0,
            "K" | "k" | "KiB" => 10,
            "M" | "m" | "MiB" => 20,
            "G" | "g" | "GiB" => 30,
            "T" | "t" | "TiB" => 40,
            _ => return Err(wrong()),
        };
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let n: u64 = digits.parse().map_err(|_| wrong())?;
        n.checked_mul(1 << shift).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in [("T", 40), ("G", 30), ("M", 20), ("K", 10)] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(D::Error::custom)
        } else {
            u64::deserialize(d).map(Self)
        }
    }
}

/// A point in time by the wall clock: nanoseconds since 1970-01-01 UTC. For people RFC 3339 with nine digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time by the system's clock.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// In UTC to the millisecond, easy on the eye: `2026-11-23 18:10:00.123Z`.
    pub fn for_people(self) -> String {
        humantime::format_rfc3339_millis(self.shown()).to_string().replacen('T', " ", 1)
    }

    /// The time as it is written: what lies before 1970 is shown as 1970, since no record is older.
    fn shown(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// This time and so much more, at most the end of time that can be told (the year 2262).
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// This time less so much.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// From `earlier` until this time; nothing if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(i64::try_from(after.as_nanos()).unwrap_or(i64::MAX)),
            Err(before) => Self(i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n)),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_nanos(self.shown()).fmt(f)
    }
}

impl FromStr for Timestamp {
    type Err = ParseUnitError;
    fn from_str(s: &str) -> Result<Self, ParseUnitError> {
        humantime::parse_rfc3339_weak(s.trim())
            .map(Self::from)
            .map_err(|_| ParseUnitError { given: s.into(), expected: "a time like 2026-11-23T18:10:00Z" })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(D::Error::custom)
        } else {
            i64::deserialize(d).map(Self)
        }
    }
}

#[cfg(test)]
mod tests;
