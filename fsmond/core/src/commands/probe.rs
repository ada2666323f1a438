//! `doctor`: whether what happens in the root of a watch is heard.

use fsmon_protocol::ApiError;

use super::Outcome;
use crate::io::{Answer, Name};
use crate::machine::Machine;

impl Machine {
    /// A probe of this name is about to be made.
    pub(super) fn expect_probe(&mut self, watch: &str, name: Name) -> Result<Outcome, ApiError> {
        let id = self.find(watch)?;
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.expect_probe(name);
        }
        Ok(Outcome::Now(Answer::Done))
    }

    /// Whether it was heard of.
    pub(super) fn probe_heard(&self, watch: &str, name: &[u8]) -> Result<Outcome, ApiError> {
        let id = self.find(watch)?;
        let heard = self.watches.get(&id).is_some_and(|watch| watch.heard_probe(name));
        Ok(Outcome::Now(Answer::Heard(heard)))
    }
}
