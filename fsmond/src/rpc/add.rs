//! `add`: looks at the path before the core hears of it, so that a watch that cannot work is refused with the reason.

use std::sync::Arc;
use std::time::Duration;

use fsmon_core::io::{Command, Name};
use fsmon_protocol::rpc_types::Reply;
use fsmon_protocol::spec::WatchSpec;
use fsmon_protocol::status::{DefinedBy, WatchStatus};
use fsmon_protocol::{ApiError, ErrorKind};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::place::{Place, look_at};
use super::session::Session;
use super::watches::check_cwd;

/// How long a file system has to tell what is at a path.
pub const LONGEST_LOOK: Duration = Duration::from_secs(10);

impl Session {
    /// Adds a watch; answers when it is recorded.
    pub async fn add_watch(&self, spec: WatchSpec) -> Reply<WatchStatus> {
        let (spec, only) = self.looked_at(spec).await?;
        self.server.control.later_stamp().await;
        self.defined(Command::Add { spec, defined_by: DefinedBy::Runtime, only }).await
    }

    /// The spec with its path as it will be that of the watch, and the name where that is one file.
    pub async fn looked_at(&self, mut spec: WatchSpec) -> Reply<(WatchSpec, Option<Name>)> {
        check_cwd(spec.options.cwd.as_deref())?;
        let path = spec.path.clone();
        let allow_missing = spec.options.allow_missing == Some(true);
        let (control, options) = (Arc::clone(&self.server.control), spec.options.clone());
        let looking = spawn_blocking(move || {
            let place = look_at(&path, allow_missing)?;
            control.check_command(place.folder(), &options).map(|()| place)
        });
        let Place { path, only } = match timeout(LONGEST_LOOK, looking).await {
            Ok(Ok(found)) => found?,
            Ok(Err(failed)) => return Err(ApiError::bug(format!("looking at the path failed: {failed}"))),
            Err(_) => {
                let seconds = LONGEST_LOOK.as_secs();
                return Err(ApiError::new(
                    ErrorKind::TimedOut,
                    format!("the file system did not tell within {seconds} s what is at that path"),
                )
                .hint("its mount may hang: see mount, and try ls there"));
            }
        };
        spec.path = path;
        Ok((spec, only))
    }
}
