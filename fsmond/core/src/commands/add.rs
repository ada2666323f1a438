//! `add`: one more watch.

use std::sync::Arc;

use fsmon_protocol::event::WatchChangeStatus;
use fsmon_protocol::path::escape;
use fsmon_protocol::spec::{WatchSpec, check_name};
use fsmon_protocol::status::DefinedBy;
use fsmon_protocol::{ApiError, RawPath};

use super::Outcome;
use crate::io::{Effect, Name, Now, StoreOp, WatchId, WatchRow};
use crate::machine::{Machine, Promise};
use crate::shared::Ctx;
use crate::watch::Watch;

impl Machine {
    pub(super) fn add(
        &mut self,
        now: Now,
        mut spec: WatchSpec,
        defined_by: DefinedBy,
        only: Option<Name>,
        out: &mut Vec<Effect>,
    ) -> Result<Outcome, ApiError> {
        self.admit(&mut spec)?;
        let id = WatchId(self.next_watch);
        let row = WatchRow {
            id,
            name: Arc::from(spec.name.as_str()),
            path: RawPath::from(spec.path.as_str()),
            defined_by,
            only,
            added: now.stamp,
            baseline_done: false,
            paused: false,
            held: None,
            last_due: now.wall,
            owed: None,
            root: None,
            upto: 0,
            accepting: false,
            keep_runs: None,
        };
        let mut watch = Watch::new(row, spec, &self.settings.defaults)?;
        self.next_watch += 1;
        let mut ctx = Ctx { now, out, shared: &mut self.shared };
        watch.note(WatchChangeStatus::Added, Some(watch.spec.path.clone()), &mut ctx);
        ctx.store(StoreOp::Watch(Box::new(watch.row())), None);
        watch.set_schedule(&mut ctx);
        watch.open(&mut ctx);
        self.watches.insert(id, watch);
        Ok(Outcome::Promise(self.save_watches(), Promise::Watches(vec![id])))
    }

    /// Completes the path and name of a new watch; refuses those that can't be.
    pub(super) fn admit(&self, spec: &mut WatchSpec) -> Result<(), ApiError> {
        while spec.path.len() > 1 && spec.path.ends_with('/') {
            spec.path.pop();
        }
        self.refuse_twice(spec)?;
        if spec.name.is_empty() {
            spec.name = self.free_name(&spec.path);
        }
        check_name(&spec.name)?;
        if self.watches.values().any(|w| *w.name == *spec.name) {
            return Err(ApiError::refused(format!("there is a watch of the name '{}' already", spec.name))
                .hint("choose another with --name"));
        }
        Ok(())
    }

    /// The same path twice needs a name, so that it is not done by mistake.
    fn refuse_twice(&self, spec: &WatchSpec) -> Result<(), ApiError> {
        match self.watches.values().find(|w| w.spec.path == spec.path) {
            Some(there) if spec.name.is_empty() => Err(ApiError::refused(format!(
                "'{}' is watched already, as '{}'",
                escape(spec.path.as_bytes()),
                there.name
            ))
            .hint(format!("change it with `fsmonctl set {}`, or watch it once more with --name", there.name))),
            _ => Ok(()),
        }
    }

    /// A name from the last component of the path, made unique.
    fn free_name(&self, path: &str) -> String {
        let last = path.rsplit('/').next().unwrap_or_default();
        let kept: String = last
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' })
            .take(56)
            .collect();
        let base = if kept.is_empty() { "root".to_owned() } else { kept };
        let taken = |name: &str| self.watches.values().any(|w| *w.name == *name);
        let mut name = base.clone();
        let mut n = 2;
        while taken(&name) {
            name = format!("{base}-{n}");
            n += 1;
        }
        name
    }
}
