//! Who may do what: one table of all methods, and who has which role.
//!
//! A new method does not compile until it has a line here. Not to know who somebody is, is to refuse them.

use fsmon_protocol::ApiError;
use fsmon_protocol::rpc::{FsmonRequest, FsmonResponse};

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

/// Who has which role. In this version root and the daemon's own user are admins, and nobody else is anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    own_uid: u32,
}

impl Roles {
    /// For a daemon that runs as this user.
    pub const fn new(own_uid: u32) -> Self {
        Self { own_uid }
    }

    /// The role of a user; `None` stands for one whose credentials could not be had.
    pub fn of(self, uid: Option<u32>) -> Option<Role> {
        uid.filter(|&uid| uid == 0 || uid == self.own_uid).map(|_| Role::Admin)
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
    Logs => Operator,
    RunNow => Operator,
    Pause => Operator,
    Resume => Operator,
    Add => Admin,
    Remove => Admin,
    Set => Admin,
    SetInterval => Admin,
    Reload => Admin,
    Stop => Admin,
    LogLevel => Admin,
}

/// Whether somebody with this role may make this request.
pub fn permits(role: Option<Role>, request: &FsmonRequest) -> bool {
    role.is_some_and(|role| role >= needed(request))
}
