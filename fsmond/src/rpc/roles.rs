//! Who may do what: one table of all methods, and who has which role.
//!
//! A new method does not compile until it has a line here. Not to know who somebody is, is to refuse them.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use fsmon_protocol::ApiError;
use fsmon_protocol::rpc::{FsmonRequest, FsmonResponse};

use super::peer::Peer;

/// What somebody may do; each may also do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks.
    Reader,
    /// Steers what is there.
    Operator,
    /// Does everything; alone decides what commands are run, since they run as the daemon's user.
    Admin,
}

impl Role {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Users and groups, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// Users.
    pub users: BTreeSet<u32>,
    /// Groups: whoever is in one of them.
    pub groups: BTreeSet<u32>,
}

impl Members {
    fn has(&self, peer: &Peer) -> bool {
        self.users.contains(&peer.uid) || peer.groups.iter().any(|group| self.groups.contains(group))
    }
}

/// To whom the config gives a role. By default to nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Who may do everything.
    pub admins: Members,
    /// Who may steer what is there.
    pub operators: Members,
    /// Who may look.
    pub readers: Members,
}

/// Who has which role: root and the daemon's own user are admins, for everybody else the config decides. It is asked
/// anew for every request, so that a config that was read again counts at once.
#[derive(Debug)]
pub struct Roles {
    own_uid: u32,
    grants: RwLock<Arc<Grants>>,
}

impl Roles {
    /// For a daemon that runs as this user.
    pub fn new(own_uid: u32, grants: Grants) -> Self {
        Self { own_uid, grants: RwLock::new(Arc::new(grants)) }
    }

    /// From now on these.
    pub fn replace(&self, grants: Grants) {
        *self.grants.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(grants);
    }

    /// The role of somebody: the highest they are given. `None` stands for one whose credentials could not be had.
    pub fn of(&self, peer: Option<&Peer>) -> Option<Role> {
        let peer = peer?;
        if peer.uid == 0 || peer.uid == self.own_uid {
            return Some(Role::Admin);
        }
        let grants = Arc::clone(&self.grants.read().unwrap_or_else(PoisonError::into_inner));
        [(&grants.admins, Role::Admin), (&grants.operators, Role::Operator), (&grants.readers, Role::Reader)]
            .into_iter()
            .find_map(|(members, role)| members.has(peer).then_some(role))
    }
}

/// Makes the table: for each method its role, and how it is refused.
macro_rules! table {
    ($($method:ident => $role:ident),* $(,)?) => {
        /// The role that a request needs.
        pub fn needed(request: &FsmonRequest) -> Role {
            match request { $(FsmonRequest::$method { .. } => Role::$role),* }
        }

        /// The reply to a request that is refused.
        pub fn refusal(request: &FsmonRequest, error: ApiError) -> FsmonResponse {
            match request { $(FsmonRequest::$method { .. } => FsmonResponse::$method(Err(error))),* }
        }
    };
}

table! {
    Status => Reader,
    List => Reader,
    Show => Reader,
    Sweep => Reader,
    Tail => Reader,
    Runs => Reader,
    Files => Reader,
    Gaps => Reader,
    Logs => Operator,
    RunNow => Operator,
    Pause => Operator,
    Resume => Operator,
    Accept => Operator,
    Retry => Operator,
    GiveUp => Operator,
    Add => Admin,
    Remove => Admin,
    Set => Admin,
    SetInterval => Admin,
    Reload => Admin,
    Stop => Admin,
    LogLevel => Admin,
    Doctor => Operator,
    Verify => Operator,
    DryAdd => Admin,
    DrySet => Admin,
    Explain => Reader,
    Replay => Operator,
}

/// Whether somebody with this role may make this request.
pub fn permits(role: Option<Role>, request: &FsmonRequest) -> bool {
    role.is_some_and(|role| role >= needed(request))
}
