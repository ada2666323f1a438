//! The options of a watch, checked and understood; the same for a watch and for a dry run of one. Pure: only options in.

use std::sync::Arc;

use fsmon_protocol::spec::{Options, Rules};
use fsmon_protocol::{ApiError, RawPath};

use super::put_away::check_folders;
use crate::filter::Filter;
use crate::lanes;
use crate::plan::Plan;
use crate::template;

/// The part of the rules that decides what is watched at all.
pub(super) fn filter_options(rules: &Rules) -> impl PartialEq + '_ {
    (&rules.include, &rules.exclude, rules.recursive, rules.max_depth, rules.hidden, &rules.ready_file, rules.gitignore)
}

/// Options with every default, checked and understood.
pub struct Understood {
    /// The rules.
    pub rules: Arc<Rules>,
    pub(super) filter: Filter,
    pub(super) plan: Plan,
    pub(super) key: Option<regex::bytes::Regex>,
}

impl Understood {
    /// Refuses what cannot be of a watch of this folder, or of one file in it.
    pub fn check_at(&self, root: &RawPath, one_file: bool) -> Result<(), ApiError> {
        check_folders(&self.rules, &self.filter, root, one_file)
    }
}

/// The folder that is watched for a path: that of the file, where it is one.
pub fn root_of(path: &RawPath, one_file: bool) -> RawPath {
    match path.as_path().parent() {
        Some(folder) if one_file => RawPath::from(folder),
        _ => path.clone(),
    }
}

/// Fills in, checks and understands options.
pub fn understand(options: &Options, defaults: &Options) -> Result<Understood, ApiError> {
    let rules = Rules::from_options(&options.clone().or(defaults));
    rules.check()?;
    options.check_mode(rules.mode)?;
    template::check_command(&rules)?;
    let filter = Filter::new(&rules)?;
    let plan = Plan::new(&rules)?;
    let key = lanes::pattern(&rules)?;
    Ok(Understood { rules: Arc::new(rules), filter, plan, key })
}
