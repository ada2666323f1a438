//! `explain`: asks the core which watches cover a path, has it looked at below the root of each, and joins what the core
//! knows of it with its runs. What nothing covers is not looked at: that it is there is nobody's business here.

use std::path::{Component, Path, PathBuf};

use fsmon_core::io::{Answer, Command, Covering, FolderProblem, Sighting};
use fsmon_protocol::explain::Explained;
use fsmon_protocol::path::quote;
use fsmon_protocol::rpc_types::Reply;
use fsmon_protocol::{ApiError, RawPath};

use super::session::{Session, odd};

/// The place of no row.
const NOWHERE: u32 = u32::MAX;

impl Session {
    /// What each watch that covers a path has to say of it.
    pub async fn explain_path(&self, path: &RawPath) -> Reply<Vec<Explained>> {
        let path = plain(path)?;
        let covering = match self.command(Command::Covering(path)).await? {
            Answer::Covering(covering) => covering,
            other => return Err(odd(&other)),
        };
        let mut seen = Vec::with_capacity(covering.len());
        for one in covering {
            let sighting = self.sighting(&one).await;
            seen.push((one, sighting));
        }
        let told = match self.command(Command::Explain(seen)).await? {
            Answer::Explained(told) => told,
            other => return Err(odd(&other)),
        };
        let row =
            |(watch, place, told): &(_, Option<u32>, Explained)| (*watch, place.unwrap_or(NOWHERE), told.path.clone());
        let facts = self.server.history.files(told.iter().map(row).collect()).await?;
        let all = told.into_iter().zip(facts).map(|((_, _, mut told), facts)| {
            if let Some(file) = &mut told.file {
                file.seen = file.seen.or(facts.seen);
            }
            told.last = facts.last.map(|run| self.beside_its_file(run));
            told.processed = facts.processed.map(|run| self.beside_its_file(run));
            told
        });
        Ok(all.collect())
    }

    async fn sighting(&self, covering: &Covering) -> Sighting {
        if covering.stuck {
            let end = Err(FolderProblem::Other("its file system does not answer".to_owned()));
            return Sighting { names: Vec::new(), end };
        }
        self.server.folders.trace(covering.root.clone(), covering.rel.clone(), covering.check).await
    }
}

/// An absolute path without doubled slashes; one that leads up somewhere is refused, since nobody is to guess where.
fn plain(path: &RawPath) -> Result<RawPath, ApiError> {
    let shown = || quote(path.as_bytes()).into_owned();
    let given: &Path = path.as_path();
    let up = given.components().any(|part| part == Component::ParentDir);
    if !given.is_absolute() || up || path.as_bytes().contains(&0) {
        return Err(ApiError::usage(format!("{} is not a whole path", shown())).hint("give it from / on, without '..'"));
    }
    Ok(RawPath::from(given.components().collect::<PathBuf>()))
}
