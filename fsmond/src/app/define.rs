//! Which watches there have to be: those made at run time, from `watches.toml`, and those of the config file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fsmon_core::io::{Answer, Command, Name};
use fsmon_protocol::spec::WatchSpec;
use fsmon_protocol::status::DefinedBy;
use fsmon_protocol::{ApiError, RawPath};
use tokio::time::timeout;
use tracing::{error, warn};

use super::failure::Failure;
use crate::edges::History;
use crate::engine::EngineHandle;
use crate::rpc::look_at;
use crate::store::read_watches;

/// How long the file system may take to tell what is at a path: one that hangs must not hold up the others.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// How long it is waited for until a new watch is recorded; it will be all the same.
const LONGEST_ADD: Duration = Duration::from_secs(10);

/// A watch that has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    /// What it is.
    pub spec: WatchSpec,
    /// By whom.
    pub by: DefinedBy,
}

/// All watches that have to be there, each name once.
pub fn all(state: &Path, config: &[WatchSpec]) -> Result<Vec<Defined>, Failure> {
    let runtime = read_watches(state).map_err(|e| {
        let mut failure = Failure::of(e);
        failure.text.push_str("; correct it there, so that no watch is lost");
        failure
    })?;
    Ok(merge(runtime, config))
}

/// Where both define the same watch, the config does from now on. Where they mean different watches by one name, the
/// one that is already at work stays, and it is said.
fn merge(runtime: Vec<WatchSpec>, config: &[WatchSpec]) -> Vec<Defined> {
    let mut all: Vec<Defined> =
        runtime.into_iter().map(|spec| Defined { spec: plain(spec), by: DefinedBy::Runtime }).collect();
    for spec in config {
        let spec = spec.clone();
        match all.iter_mut().find(|there| there.spec.name == spec.name) {
            None => all.push(Defined { spec, by: DefinedBy::Config }),
            Some(there) if there.spec.path == spec.path => *there = Defined { spec, by: DefinedBy::Config },
            Some(there) => error!(
                "the config's watch '{}' of {} is not taken: fsmonctl made a watch of that name, of {}; remove that one \
                 (fsmonctl remove {}) or give the config's another name, then say fsmonctl reload",
                spec.name, spec.path, there.spec.path, spec.name
            ),
        }
    }
    all
}

/// The same with its path as the core has it: without doubled and closing slashes.
pub fn plain(mut spec: WatchSpec) -> WatchSpec {
    let path: PathBuf = Path::new(&spec.path).components().collect();
    if let Some(path) = path.to_str() {
        path.clone_into(&mut spec.path);
    }
    spec
}

/// Adds a watch that is defined but not yet known. What cannot be watched now is added all the same and waits for its
/// root, where everybody sees it: the disk it is on may come later.
pub async fn add(engine: &EngineHandle, defined: Defined) -> Result<(), ApiError> {
    let Defined { spec, by } = defined;
    let only = look(&spec).await;
    adding(engine, Command::Add { spec, defined_by: by, only }).await
}

/// Adds a watch of the config, or lets it go on from the ledger that was kept while it was not in there; tells whether
/// it did. Where a file is by now what was a folder, or the other way round, that ledger is of no use.
pub async fn add_or_attach(engine: &EngineHandle, history: &dyn History, spec: WatchSpec) -> Result<bool, ApiError> {
    let kept = history.kept(spec.name.clone(), RawPath::from(spec.path.as_str())).await?;
    let only = look(&spec).await;
    match kept.filter(|kept| kept.row.only == only) {
        None => adding(engine, Command::Add { spec, defined_by: DefinedBy::Config, only }).await.map(|()| false),
        Some(kept) => adding(engine, Command::Attach { spec, only, kept }).await.map(|()| true),
    }
}

async fn adding(engine: &EngineHandle, command: Command) -> Result<(), ApiError> {
    let Ok(answer) = timeout(LONGEST_ADD, engine.command(command)).await else {
        warn!("a new watch is not recorded yet: the store is slow or cannot write");
        return Ok(());
    };
    answer.map(|_: Answer| ())
}

/// The name of the file, where the path is one.
async fn look(spec: &WatchSpec) -> Option<Name> {
    let path = spec.path.clone();
    let name = &spec.name;
    match timeout(LONGEST_LOOK, tokio::task::spawn_blocking(move || look_at(&path, true))).await {
        Ok(Ok(Ok(place))) => place.only,
        Ok(Ok(Err(why))) => {
            warn!("watch '{name}': {}", super::failure::sentence(&why));
            None
        }
        Ok(Err(_)) | Err(_) => {
            warn!("watch '{name}': the file system does not tell what is at {}", spec.path);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use fsmon_protocol::spec::Options;

    use super::*;

    fn spec(name: &str, path: &str) -> WatchSpec {
        WatchSpec { name: name.into(), path: path.into(), options: Options::default() }
    }

    #[test]
    fn each_name_is_one_watch() {
        let runtime = vec![spec("a", "/a"), spec("b", "/b"), spec("c", "/c")];
        let config = [plain(spec("b", "//b/./")), spec("c", "/elsewhere"), spec("d", "/")];
        let all: Vec<_> = merge(runtime, &config).into_iter().map(|d| (d.spec.name, d.spec.path, d.by)).collect();
        let row = |name: &str, path: &str, by| (name.to_owned(), path.to_owned(), by);
        let expected = [
            row("a", "/a", DefinedBy::Runtime),
            row("b", "/b", DefinedBy::Config),
            row("c", "/c", DefinedBy::Runtime),
            row("d", "/", DefinedBy::Config),
        ];
        assert_eq!(all, expected);
    }
}
