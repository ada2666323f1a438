//! What somebody wants: one file per verb. Each refuses with a sentence that says what to do, or promises an answer
//! that is given once its effects are recorded.

mod add;
mod aside;
mod change;
mod detach;
mod dry;
mod explain;
mod files;
mod give_again;
mod probe;
mod remove;
mod run_now;
mod verify;

use fsmon_protocol::ApiError;
use fsmon_protocol::event::What;
use fsmon_protocol::path::escape;

use crate::io::{Ack, Answer, Command, Effect, Now, Settings, StoreOp, Token, WatchId};
use crate::machine::{Machine, Promise};
use crate::shared::Ctx;

/// What a command comes to.
enum Outcome {
    /// An answer at once: nothing had to be recorded.
    Now(Answer),
    /// An answer once what was stored last is durable.
    Promise(StoreOp, Promise),
}

impl Machine {
    /// Takes a command and answers it, now or when its effects are recorded.
    pub(crate) fn command(&mut self, now: Now, token: Token, command: Command, out: &mut Vec<Effect>) {
        let outcome = match command {
            Command::Add { spec, defined_by, only } => self.add(now, spec, defined_by, only, out),
            Command::Remove { watches, kill, by } => self.remove(now, &watches, kill, by, out),
            Command::Detach(watch) => self.detach(now, &watch, out),
            Command::Attach { spec, only, kept } => self.attach(now, spec, only, *kept, out),
            Command::Show(watches) => self.show(now, &watches),
            Command::Set { watch, options, unset, by } => self.set(now, &watch, options, &unset, by, out),
            Command::DryAdd { spec, only } => self.dry_add(spec, only),
            Command::DrySet { watch, options, unset } => self.dry_set(&watch, options, &unset),
            Command::SetInterval(watch, every) => self.set_interval(now, &watch, every, out),
            Command::Pause(watches) => self.pause(now, &watches, true, out),
            Command::Resume(watches) => self.pause(now, &watches, false, out),
            Command::Accept(watch) => self.accept(now, &watch, out),
            Command::RunNow { watches, all_files } => self.run_now(now, &watches, all_files, out),
            Command::GiveAgain(request) => self.give_again(now, &request, out),
            Command::Sweep(id) => self.sweep(id),
            Command::Resolve(watches) => self.resolve(&watches),
            Command::Settings(settings) => self.new_settings(now, settings, out),
            Command::Files(query) => self.files(now, &query),
            Command::Retry { watch, paths } => self.retry(now, &watch, &paths, out),
            Command::GiveUp { watch, paths } => self.give_up(now, &watch, &paths, out),
            Command::Counters => Ok(Outcome::Now(Answer::Counters(self.shared.counters))),
            Command::Service(status) => Ok(self.last_record(now, What::Service(status), out)),
            Command::Stop => Ok(self.stop(now, out)),
            Command::ExpectProbe { watch, name } => self.expect_probe(&watch, name),
            Command::ProbeHeard { watch, name } => self.probe_heard(&watch, &name),
            Command::Folders(query) => self.folders(&query),
            Command::Compare(comparison) => Ok(self.compare(&comparison)),
            Command::Covering(path) => self.covering(now, &path),
            Command::Explain(seen) => Ok(self.explain(now, &seen)),
        };
        match outcome {
            Ok(Outcome::Now(answer)) => out.push(Effect::Answer(token, Ok(answer))),
            Ok(Outcome::Promise(op, promise)) => {
                self.promises.insert(token, promise);
                out.push(Effect::Store(op, Some(Ack::Command(token))));
            }
            Err(error) => out.push(Effect::Answer(token, Err(error))),
        }
    }

    /// The effects of a command are recorded: it is answered.
    pub(crate) fn keep_promise(&mut self, now: Now, token: Token, out: &mut Vec<Effect>) {
        let answer = match self.promises.remove(&token) {
            None => return,
            Some(Promise::Done) => Answer::Done,
            Some(Promise::Count(count)) => Answer::Count(count),
            Some(Promise::Removed(removed)) => Answer::Removed(removed),
            Some(Promise::Watches(ids)) => Answer::Watches(
                ids.iter().filter_map(|id| self.watches.get(id)).map(|w| w.status(now, &self.shared.runs)).collect(),
            ),
        };
        out.push(Effect::Answer(token, Ok(answer)));
    }

    fn show(&mut self, now: Now, watches: &[String]) -> Result<Outcome, ApiError> {
        let ids = self.find_all(watches)?;
        let all = ids.iter().filter_map(|id| self.watches.get(id)).map(|w| w.status(now, &self.shared.runs)).collect();
        Ok(Outcome::Now(Answer::Watches(all)))
    }

    fn sweep(&mut self, id: u64) -> Result<Outcome, ApiError> {
        let status = self.shared.sweeps.status(id);
        let status = status.ok_or_else(|| {
            ApiError::not_found(format!("there is no run-now of number {id}"))
                .hint("only the latest are kept, and none over a restart; see `fsmonctl tail --kinds run --since 1h`")
        })?;
        Ok(Outcome::Now(Answer::Sweep(status)))
    }

    fn resolve(&mut self, watches: &[String]) -> Result<Outcome, ApiError> {
        let ids = self.find_all(watches)?;
        let named = ids.into_iter().filter_map(|id| Some((id, self.watches.get(&id)?.name.clone())));
        Ok(Outcome::Now(Answer::Resolved(named.collect())))
    }

    fn new_settings(&mut self, now: Now, settings: Settings, out: &mut Vec<Effect>) -> Result<Outcome, ApiError> {
        let defaults = settings.defaults.clone();
        // All or none: what one watch can't take changes no other.
        for watch in self.watches.values() {
            watch.takes(&defaults).map_err(|error| {
                let message = format!("the watch '{}' can't take the new defaults: {}", watch.name, error.message);
                ApiError { message, ..error }
            })?;
        }
        self.shared.max_runs = settings.max_runs.max(1);
        self.settings = settings;
        let ids: Vec<WatchId> = self.watches.keys().copied().collect();
        for id in ids {
            let mut result = Ok(());
            self.with(id, now, out, |watch, ctx| {
                let options = watch.spec.options.clone();
                result = watch.set(options, &defaults, ctx);
            });
            result?;
        }
        Ok(Outcome::Now(Answer::Done))
    }

    /// Makes a record the last thing that the answer waits for.
    fn last_record(&mut self, now: Now, what: What, out: &mut Vec<Effect>) -> Outcome {
        let mut made = Vec::new();
        Ctx { now, out: &mut made, shared: &mut self.shared }.record(None, what, None);
        match made.pop() {
            Some(Effect::Store(op, _)) => Outcome::Promise(op, Promise::Done),
            other => {
                out.extend(other);
                Outcome::Now(Answer::Done)
            }
        }
    }

    /// Nothing is started any more; what is known is stored.
    fn stop(&mut self, now: Now, out: &mut Vec<Effect>) -> Outcome {
        self.shared.stopping = true;
        let ids: Vec<WatchId> = self.watches.keys().copied().collect();
        for id in ids {
            self.with(id, now, out, |watch, ctx| {
                watch.take_back_all(ctx);
                watch.checkpoint(ctx);
            });
        }
        self.last_record(now, What::Service(fsmon_protocol::event::ServiceStatus::Stopped), out)
    }

    /// The watches of these names or paths; none named: all.
    fn find_all(&self, watches: &[String]) -> Result<Vec<WatchId>, ApiError> {
        if watches.is_empty() {
            return Ok(self.watches.keys().copied().collect());
        }
        let mut ids = Vec::new();
        for name in watches {
            let id = self.find(name)?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// The watch of this name or path.
    fn find(&self, wanted: &str) -> Result<WatchId, ApiError> {
        if let Some((&id, _)) = self.watches.iter().find(|(_, w)| *w.name == *wanted) {
            return Ok(id);
        }
        let path = match wanted.trim_end_matches('/') {
            "" if !wanted.is_empty() => "/",
            trimmed => trimmed,
        };
        let at_path: Vec<_> = self.watches.iter().filter(|(_, w)| w.spec.path == path).collect();
        match at_path.as_slice() {
            [(id, _)] => Ok(**id),
            [] => Err(ApiError::not_found(format!("no watch has the name or path '{}'", escape(wanted.as_bytes())))
                .hint("`fsmonctl list` shows the watches there are")),
            several => {
                let names: Vec<&str> = several.iter().map(|(_, w)| &*w.name).collect();
                Err(ApiError::refused(format!("'{}' is watched {} times", escape(wanted.as_bytes()), several.len()))
                    .hint(format!("say which by name: {}", names.join(", "))))
            }
        }
    }

    /// The specs of all watches made at run time, for `watches.toml`.
    fn save_watches(&self) -> StoreOp {
        let runtime = self.watches.values().filter(|w| w.defined_by == fsmon_protocol::status::DefinedBy::Runtime);
        StoreOp::SaveWatches(runtime.map(|w| w.spec.clone()).collect())
    }
}
