//! Is a file complete? One rule for files that were seen live, found by a scan, or pending since before a restart; and
//! the answer to what one waits for. Pure: what was seen goes in, nothing is looked at.
//!
//! Whether somebody has it open for writing decides at once, where that can be told. Else the events do: it was
//! closed, or was not written to for `open-quiet`. Where there were none, it has to look the same twice.

use fsmon_protocol::spec::Rules;

use super::suspects::LATER;

/// What is known about a file that has been quiet for `settle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// How long ago its last change was, by whatever tells the longest.
    pub still: u64,
    /// How long it has been pending.
    pub waited: u64,
    /// Whether somebody has it open for writing; none where that cannot be told.
    pub written: Option<bool>,
    /// For how long it must still look the same, where nobody can tell whether it is being written.
    pub unsure: u64,
}

/// What a file waits for before its command runs, and in how many nanoseconds it is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Somebody has it open for writing.
    Writer(u64),
    /// Nobody saw it being closed: it has to look the same for so long.
    Same(u64),
    /// It is not old enough yet.
    Age(u64),
}

impl Wait {
    /// In how many nanoseconds it is looked at again.
    pub fn again(self) -> u64 {
        let (Self::Writer(again) | Self::Same(again) | Self::Age(again)) = self;
        again
    }
}

/// What a file waits for; none: it is complete.
pub fn waits_for(rules: &Rules, seen: &Evidence) -> Option<Wait> {
    if rules.max_wait.span().is_some_and(|ceiling| seen.waited >= ceiling.nanos()) {
        return None;
    }
    let left = rules.open_quiet.nanos().saturating_sub(seen.still);
    match seen.written {
        _ if left == 0 => {}
        Some(true) => return Some(Wait::Writer(left.min(LATER))),
        None if seen.unsure > 0 => return Some(Wait::Same(seen.unsure)),
        Some(false) | None => {}
    }
    let young = rules.min_age.nanos().saturating_sub(seen.still);
    (young > 0).then_some(Wait::Age(young))
}

#[cfg(test)]
mod tests {
    use fsmon_protocol::spec::Options;
    use fsmon_protocol::units::{Span, SpanOrOff};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rules(options: &Options) -> Rules {
        Rules::from_options(options)
    }

    #[test]
    fn a_writer_decides_where_it_is_known_and_the_events_or_two_looks_where_it_is_not() {
        let usual = rules(&Options::default());
        let fresh = Evidence { still: SECOND, waited: SECOND, written: None, unsure: 0 };
        for (evidence, wait) in [
            (fresh, None),
            (Evidence { unsure: 7, ..fresh }, Some(Wait::Same(7))),
            (Evidence { unsure: 7, written: Some(false), ..fresh }, None),
            (Evidence { written: Some(true), ..fresh }, Some(Wait::Writer(SECOND))),
            (Evidence { written: Some(true), still: 29 * SECOND + 1, ..fresh }, Some(Wait::Writer(SECOND - 1))),
            (Evidence { written: Some(true), still: 30 * SECOND, ..fresh }, None),
            (Evidence { unsure: 7, still: 30 * SECOND, ..fresh }, None),
        ] {
            assert_eq!(waits_for(&usual, &evidence), wait, "{evidence:?}");
        }
    }

    #[test]
    fn a_ceiling_ends_every_wait_and_an_age_is_waited_for_beside_them() {
        let written = Evidence { still: SECOND, waited: 60 * SECOND, written: Some(true), unsure: 9 };
        let ceiling = rules(&Options { max_wait: Some(SpanOrOff::On(Span::secs(60))), ..Options::default() });
        assert_eq!(waits_for(&ceiling, &written), None);
        let aged = rules(&Options { min_age: Some(Span::secs(3)), ..Options::default() });
        let closed = Evidence { written: Some(false), ..written };
        assert_eq!(waits_for(&aged, &closed), Some(Wait::Age(2 * SECOND)));
        assert_eq!(waits_for(&aged, &Evidence { still: 3 * SECOND, ..closed }), None);
        assert_eq!(waits_for(&aged, &written).map(Wait::again), Some(SECOND));
    }
}
