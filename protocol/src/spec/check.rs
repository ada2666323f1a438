//! What rules cannot be, each by its option. Never what needs more than the rules to be known.

use super::Rules;
use crate::error::ApiError;
use crate::units::Span;

impl Rules {
    /// Refuses values that make no sense, by the option's name. Globs and the command's template are checked where
    /// they are understood.
    pub fn check(&self) -> Result<(), ApiError> {
        let usage = |message: &str, hint: &str| Err(ApiError::usage(message).hint(hint));
        if self.concurrency == 0 {
            return usage(
                "concurrency is 0, so that nothing could ever run",
                "give 1 or more; to stop runs for a while, use pause",
            );
        }
        for (option, span) in
            [("timeout", self.timeout), ("poll-interval", self.poll_interval), ("backoff", self.backoff)]
        {
            if span.0.is_zero() {
                return usage(&format!("{option} is 0"), "give a duration like 1s or 10m");
            }
        }
        for (option, span) in [("every", self.every), ("rescan", self.rescan)] {
            if span.span().is_some_and(|s| s < Span::millis(100)) {
                return usage(&format!("{option} is shorter than 100ms"), "give a longer duration, or off");
            }
        }
        if let Some(nice) = self.nice.filter(|nice| !(-20..=19).contains(nice)) {
            return usage(
                &format!("nice {nice} is not from -20 to 19"),
                "give a number like 10; the higher, the nicer",
            );
        }
        self.check_schedule()?;
        self.check_mode()?;
        self.check_after()?;
        if let (Some(min), Some(max)) = (self.min_size, self.max_size)
            && min > max
        {
            return usage(&format!("min-size {min} is more than max-size {max}"), "no file could ever match");
        }
        for pair in &self.env {
            if !pair.split_once('=').is_some_and(|(name, _)| !name.is_empty() && !name.starts_with("FSMON_"))
                || pair.contains('\0')
            {
                let name = pair.split('=').next().unwrap_or_default();
                let name = crate::path::escape(name.as_bytes());
                return usage(
                    &format!("env '{name}' is not NAME=VALUE, or takes a name that begins with FSMON_"),
                    "write it as NAME=VALUE",
                );
            }
        }
        if let Some(run_as) = &self.run_as {
            let (user, group) = run_as.split_once(':').unwrap_or((run_as, "0"));
            let odd = |c: char| c.is_control() || c.is_whitespace() || c == ':';
            if [user, group].iter().any(|name| name.is_empty() || name.contains(odd)) {
                let shown = crate::path::escape(run_as.as_bytes());
                return usage(
                    &format!("run-as '{shown}' is not USER or USER:GROUP"),
                    "write it like alice or alice:staff",
                );
            }
        }
        if self.command.first().is_some_and(String::is_empty) || self.command.iter().any(|a| a.contains('\0')) {
            return usage("the command is an empty word, or has a NUL in it", "write the command after --");
        }
        Ok(())
    }
}

impl Rules {
    /// What a schedule can't be. Whether its cron line and zone are known is checked where they are understood.
    fn check_schedule(&self) -> Result<(), ApiError> {
        if self.cron.is_some() && self.every.span().is_some() {
            return Err(ApiError::usage("every and cron are both given, and a watch has one schedule")
                .hint("give one of them; --rescan is for comparing the tree more often"));
        }
        if self.every.span().is_some_and(|every| self.jitter >= every) {
            return Err(ApiError::usage(format!("jitter {} is not shorter than every {}", self.jitter, self.every))
                .hint("give a shorter jitter, or a longer interval"));
        }
        Ok(())
    }
}
