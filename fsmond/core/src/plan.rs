//! When a schedule comes due: by an interval, or by a cron line in a time zone. Given the time, it tells the next time;
//! it knows neither a clock nor what an occurrence does.
//!
//! The time zones are those built into the program, so that the same line gives the same dates on every machine.

use std::time::Duration;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::CronParser;
use fsmon_protocol::ApiError;
use fsmon_protocol::path::{escape, tame};
use fsmon_protocol::spec::Rules;
use fsmon_protocol::units::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A clock that was set back by at most this makes no fixed time of a cron line due twice; one that was set back by
/// more was wrong before.
const SMALL_STEP: Duration = Duration::from_secs(3 * 3600);

/// A schedule, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Never.
    Off,
    /// So far apart.
    Every(Duration),
    /// By the clock on the wall of a time zone.
    Cron(Box<CronPlan>),
}

/// A cron line in a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronPlan {
    line: Cron,
    zone: TimeZone,
    /// Whether its hours are `*` or `*/n`, so that it goes on with the time that passes and names no time of the day.
    floats: bool,
}

/// Whether a time zone of this name is known.
pub fn knows_zone(name: &str) -> bool {
    TimeZoneDatabase::bundled().get(name).is_ok()
}

impl Plan {
    /// Understands the schedule of these rules. Refuses a line or zone that cannot be understood, by its option.
    pub fn new(rules: &Rules) -> Result<Self, ApiError> {
        let Some(text) = &rules.cron else {
            return Ok(rules.every.span().map_or(Self::Off, |every| Self::Every(every.0)));
        };
        let zone = TimeZoneDatabase::bundled().get(&rules.tz).map_err(|_| {
            ApiError::usage(format!("tz '{}' is no time zone that is known", escape(rules.tz.as_bytes())))
                .hint("name it like Europe/Paris, America/New_York or UTC")
        })?;
        let refusal = |why: &str| {
            ApiError::usage(format!("cron '{}' can't be understood: {why}", escape(text.as_bytes())))
                .hint("write minute, hour, day of month, month and day of week, as in '30 2 * * *', or @daily")
        };
        let line = CronParser::new().parse(text).map_err(|error| refusal(&reason(&error)))?;
        let plan = CronPlan { line, zone, floats: floats(text) };
        if plan.after(Timestamp(0)).is_none() {
            return Err(refusal("no date fits it"));
        }
        Ok(Self::Cron(Box::new(plan)))
    }

    /// Up to `count` due times from `first` on, which is the next one. As RFC 3339, with the offset of the zone then.
    pub fn dates(&self, first: Timestamp, count: usize) -> Vec<String> {
        match self {
            Self::Off => Vec::new(),
            Self::Every(every) => {
                let dates = std::iter::successors(Some(first), |date| Some(date.plus(*every)));
                dates.take(count).map(|date| rfc3339(date, &TimeZone::UTC)).collect()
            }
            Self::Cron(plan) => {
                let dates = std::iter::successors(Some(first), |&date| plan.after(date));
                dates.take(count).map(|date| rfc3339(date, &plan.zone)).collect()
            }
        }
    }
}

impl CronPlan {
    /// The first due time after this one.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let from = instant(time).to_zoned(self.zone.clone());
        let next = self.line.find_next_occurrence(&from, false).or_else(|error| {
            // A zone that went over the date line left out a whole day, in which the search ends: it goes on behind it.
            let change = self.zone.following(from.timestamp()).next().ok_or(error)?;
            self.line.find_next_occurrence(&change.timestamp().to_zoned(self.zone.clone()), true)
        });
        let next = next.ok()?;
        i64::try_from(next.timestamp().as_nanosecond()).ok().map(Timestamp)
    }

    /// Whether what was due once is due again after the clock was set back by this much.
    pub fn serves_again(&self, set_back: Duration) -> bool {
        set_back > SMALL_STEP || self.floats
    }

    /// The latest due time until `now`, where `due` is one that is not later.
    pub fn latest(&self, due: Timestamp, now: Timestamp) -> Timestamp {
        // Near the end first, so that years of missed minutes are not walked through.
        for span in [1, 60, 3_600, 86_400, 40 * 86_400, 400 * 86_400, u64::MAX].map(Duration::from_secs) {
            let from = now.minus(span).max(due);
            let later = std::iter::successors(self.after(from), |&date| self.after(date));
            if let Some(latest) = later.take_while(|&date| date <= now).last() {
                return latest;
            }
            if from == due {
                break;
            }
        }
        due
    }
}

fn instant(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default()
}

fn rfc3339(time: Timestamp, zone: &TimeZone) -> String {
    let zoned = instant(time).to_zoned(zone.clone());
    if zone == &TimeZone::UTC {
        return format!("{:.0}", zoned.timestamp());
    }
    format!("{:.0}", zoned.timestamp().display_with_offset(zoned.offset()))
}

/// Whether the hours of a line are `*` or `*/n`. With six or seven fields the seconds come first.
fn floats(line: &str) -> bool {
    let fields: Vec<&str> = line.split_whitespace().collect();
    match fields.as_slice() {
        [word] => word.eq_ignore_ascii_case("@hourly"),
        [_, hours, _, _, _] | [_, _, hours, _, _, _] | [_, _, hours, _, _, _, _] => hours.starts_with('*'),
        _ => false,
    }
}

/// The parser's words without the names of its types.
fn reason(error: &CronError) -> String {
    let text = error.to_string();
    let text = text.trim_end_matches('.');
    tame(text.rsplit_once(": ").map_or(text, |(_, why)| why)).to_lowercase()
}

#[cfg(test)]
mod tests;
