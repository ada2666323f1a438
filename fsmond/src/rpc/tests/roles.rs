//! Every method by every role, and who has which.

use fsmon_protocol::file::FilesRequest;
use fsmon_protocol::rpc::{FsmonRequest, FsmonResponse};
use fsmon_protocol::rpc_types::{Again, Cursor, GapsRequest, ReplayRequest, RunsRequest, SweepStage, TailRequest};
use fsmon_protocol::spec::{Options, WatchSpec};
use fsmon_protocol::units::{Span, SpanOrOff};
use fsmon_protocol::verify::VerifyRequest;
use fsmon_protocol::{ApiError, ErrorKind};
use tarpc::RequestName;

use crate::rpc::peer::Peer;
use crate::rpc::roles::{Grants, Members, Role, Roles, permits, refusal};

/// One request of every method, with the least role that may make it. Written by hand a second time on purpose.
fn every_method() -> Vec<(FsmonRequest, Role)> {
    let name = || "w".to_string();
    let tail = TailRequest { cursor: Cursor::Now, watches: vec![], kinds: vec![], max: 1, wait_ms: 0 };
    let files = FilesRequest { watches: vec![], states: vec![], from: None, max: 1 };
    let spec = WatchSpec { name: name(), path: "/r".into(), options: Options::default() };
    vec![
        (FsmonRequest::Status {}, Role::Reader),
        (FsmonRequest::List {}, Role::Reader),
        (FsmonRequest::Show { watch: name() }, Role::Reader),
        (FsmonRequest::Sweep { id: 1, seen: SweepStage::Done, wait_ms: 0 }, Role::Reader),
        (FsmonRequest::Tail { request: tail }, Role::Reader),
        (FsmonRequest::Runs { request: RunsRequest { watch: None, failed: false, max: 1 } }, Role::Reader),
        (FsmonRequest::Files { request: files }, Role::Reader),
        (FsmonRequest::Explain { path: "/r/a".into() }, Role::Reader),
        (FsmonRequest::Gaps { request: GapsRequest { watch: None, max: 1 } }, Role::Reader),
        (FsmonRequest::Logs { run: 1, offset: 0, wait_ms: 0 }, Role::Operator),
        (
            FsmonRequest::Replay {
                request: ReplayRequest {
                    watch: "w".into(),
                    again: Again::All,
                    pause: Span::millis(100),
                    dry_run: false,
                },
            },
            Role::Operator,
        ),
        (FsmonRequest::RunNow { watches: vec![], all_files: false }, Role::Operator),
        (FsmonRequest::Pause { watches: vec![] }, Role::Operator),
        (FsmonRequest::Resume { watches: vec![] }, Role::Operator),
        (FsmonRequest::Accept { watch: name() }, Role::Operator),
        (FsmonRequest::Retry { watch: name(), paths: vec![] }, Role::Operator),
        (FsmonRequest::GiveUp { watch: name(), paths: vec!["/r/a".into()] }, Role::Operator),
        (FsmonRequest::Add { spec: spec.clone() }, Role::Admin),
        (FsmonRequest::DryAdd { spec }, Role::Admin),
        (FsmonRequest::DrySet { watch: name(), options: Options::default(), unset: vec![] }, Role::Admin),
        (FsmonRequest::Remove { watches: vec![], kill: true }, Role::Admin),
        (FsmonRequest::Set { watch: name(), options: Options::default(), unset: vec![] }, Role::Admin),
        (FsmonRequest::SetInterval { watch: name(), every: SpanOrOff::Off }, Role::Admin),
        (FsmonRequest::Reload {}, Role::Admin),
        (FsmonRequest::Stop {}, Role::Admin),
        (FsmonRequest::LogLevel { level: "info".into() }, Role::Admin),
        (FsmonRequest::Doctor {}, Role::Operator),
        (FsmonRequest::Verify { request: VerifyRequest { watches: vec![], from: None, max: 1 } }, Role::Operator),
    ]
}

#[test]
fn every_method_by_every_role() {
    let methods = every_method();
    for (request, least) in &methods {
        assert!(!permits(None, request), "{} needs some role", request.name());
        for role in [Role::Reader, Role::Operator, Role::Admin] {
            assert_eq!(permits(Some(role), request), role >= *least, "{} as {role:?}", request.name());
        }
    }
    let mut names: Vec<_> = methods.iter().map(|(request, _)| request.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), methods.len(), "no method twice");
    // The service is read from its source, so that a new method is missed here.
    let service = include_str!("../../../../protocol/src/rpc/service.rs");
    assert_eq!(service.matches("    async fn ").count(), methods.len(), "every method is in this list");
}

#[test]
fn a_refusal_has_the_shape_of_the_reply() {
    for (request, _) in every_method() {
        let reply = format!("{:?}", refusal(&request, ApiError::new(ErrorKind::NotPermitted, "no")));
        let method = request.name().rsplit('.').next().unwrap().replace('_', "");
        assert!(reply.to_lowercase().starts_with(&method.to_lowercase()), "{reply} for {method}");
    }
    let reply = refusal(&FsmonRequest::Stop {}, ApiError::refused("no"));
    assert!(matches!(reply, FsmonResponse::Stop(Err(_))));
}

fn somebody(uid: u32, groups: &[u32]) -> Peer {
    Peer { uid, groups: groups.to_vec() }
}

#[test]
fn by_default_only_root_and_the_daemons_user_are_anybody() {
    let roles = Roles::new(1000, Grants::default());
    assert_eq!(roles.of(Some(&somebody(0, &[]))), Some(Role::Admin));
    assert_eq!(roles.of(Some(&somebody(1000, &[]))), Some(Role::Admin));
    assert_eq!(roles.of(Some(&somebody(1001, &[0, 1000]))), None, "being in their groups is not being them");
    assert_eq!(roles.of(Some(&somebody(u32::MAX, &[]))), None);
    assert_eq!(roles.of(None), None, "not to know who it is, is to refuse");
}

#[test]
fn the_config_gives_roles_to_users_and_groups() {
    let members = |users: &[u32], groups: &[u32]| Members {
        users: users.iter().copied().collect(),
        groups: groups.iter().copied().collect(),
    };
    let grants = Grants {
        admins: members(&[2001], &[]),
        operators: members(&[2002], &[300]),
        readers: members(&[2003, 2001], &[400]),
    };
    let roles = Roles::new(1000, grants);
    let role = |uid, groups: &[u32]| roles.of(Some(&somebody(uid, groups)));
    assert_eq!(role(2001, &[]), Some(Role::Admin), "the highest of several counts");
    assert_eq!(role(2002, &[]), Some(Role::Operator));
    assert_eq!(role(2003, &[]), Some(Role::Reader));
    assert_eq!(role(2003, &[1, 300]), Some(Role::Operator));
    assert_eq!(role(2004, &[400, 7]), Some(Role::Reader));
    assert_eq!(role(2004, &[7]), None);
    assert_eq!(role(300, &[2001]), None, "a group's number is no user's");
    assert_eq!(roles.of(None), None);
    roles.replace(Grants::default());
    assert_eq!(roles.of(Some(&somebody(2001, &[]))), None, "what is replaced counts no more");
}
