//! `add --dry-run` and `set --dry-run`: refuses what the verb itself would refuse, and else says what to look for.
//! Changes nothing; the looking is done by an edge.

use std::sync::Arc;

use fsmon_protocol::spec::{Options, WatchSpec};
use fsmon_protocol::status::DefinedBy;
use fsmon_protocol::{ApiError, RawPath};

use super::Outcome;
use super::change::{changed, refuse_config};
use crate::io::{Answer, Name};
use crate::machine::Machine;
use crate::preview::Trial;
use crate::watch::{Understood, root_of, understand};

impl Machine {
    pub(super) fn dry_add(&self, mut spec: WatchSpec, only: Option<Name>) -> Result<Outcome, ApiError> {
        self.admit(&mut spec)?;
        let understood = understand(&spec.options, &self.settings.defaults)?;
        let path = RawPath::from(spec.path.as_str());
        let root = root_of(&path, only.is_some());
        understood.check_at(&root, only.is_some())?;
        let Understood { rules, .. } = understood;
        Ok(Outcome::Now(Answer::Trial(Box::new(Trial { name: spec.name, path, root, only, before: None, rules }))))
    }

    pub(super) fn dry_set(&self, wanted: &str, options: Options, unset: &[String]) -> Result<Outcome, ApiError> {
        let id = self.find(wanted)?;
        let Some(watch) = self.watches.get(&id) else {
            return Err(ApiError::bug("a watch that was found is not there"));
        };
        refuse_config(watch, DefinedBy::Runtime)?;
        let understood = understand(&changed(watch, options, unset)?, &self.settings.defaults)?;
        understood.check_at(&watch.root_path, watch.only().is_some())?;
        let Understood { rules, .. } = understood;
        let trial = Trial {
            name: watch.name.to_string(),
            path: RawPath::from(watch.spec.path.as_str()),
            root: watch.root_path.clone(),
            only: watch.only().cloned(),
            before: Some(Arc::clone(&watch.rules)),
            rules,
        };
        Ok(Outcome::Now(Answer::Trial(Box::new(trial))))
    }
}
