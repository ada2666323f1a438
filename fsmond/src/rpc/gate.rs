//! The gate before every method: asks the table, refuses or lets through, and says in the log who did what.

use fsmon_protocol::rpc::{Fsmon, FsmonRequest, FsmonResponse, ServeFsmon};
use fsmon_protocol::{ApiError, ErrorKind};
use tarpc::RequestName;
use tarpc::ServerError;
use tarpc::context::Context;
use tarpc::server::Serve;
use tracing::{debug, info, warn};

use super::roles::{Role, needed, permits, refusal};
use super::session::Session;

/// A session behind the gate.
#[derive(Clone)]
pub struct Gate {
    session: Session,
    methods: ServeFsmon<Session>,
}

impl Gate {
    /// Puts the gate before a session.
    pub fn new(session: Session) -> Self {
        Self { methods: session.clone().serve(), session }
    }
}

impl Serve for Gate {
    type Req = FsmonRequest;
    type Resp = FsmonResponse;

    async fn serve(self, context: Context, request: FsmonRequest) -> Result<FsmonResponse, ServerError> {
        let method = request.name();
        let (uid, role) = (self.session.uid(), self.session.role());
        if !permits(role, &request) {
            let needed = needed(&request);
            warn!(target: "fsmond::rpc", uid, method, needed = needed.as_str(), "refused: not permitted");
            return Ok(refusal(&request, not_permitted(role, needed)));
        }
        if needed(&request) == Role::Reader {
            debug!(target: "fsmond::rpc", uid, method, "request");
        } else {
            info!(target: "fsmond::rpc", uid, method, "request");
        }
        self.methods.serve(context, request).await
    }
}

fn not_permitted(role: Option<Role>, needed: Role) -> ApiError {
    let who = role.map_or("you have no role here", |role| match role {
        Role::Reader => "you are a reader",
        Role::Operator => "you are an operator",
        Role::Admin => "you are an admin",
    });
    let needed = needed.as_str();
    ApiError::new(ErrorKind::NotPermitted, format!("not permitted: {who}, this needs the role {needed}"))
        .hint(format!("run it as root or as the user that fsmond runs as, or have its config name you in `{needed}s`"))
}
