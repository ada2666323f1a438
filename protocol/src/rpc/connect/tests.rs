//! Connecting: what each way of failing says.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use tarpc::server::Channel;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

use super::*;
use crate::VERSION;
use crate::doctor::Finding;
use crate::explain::Explained;
use crate::file::{FilesReply, FilesRequest};
use crate::path::RawPath;
use crate::rpc::Fsmon;
use crate::rpc::codec::encode;
use crate::rpc::server::{channel, transport};
use crate::rpc_types::{
    DryRun, GapsRequest, LogChunk, Reloaded, Removed, ReplayRequest, Reply, RunsRequest, SweepStage, SweepStatus,
    TailReply, TailRequest,
};
use crate::run::RunInfo;
use crate::spec::{Options, WatchSpec};
use crate::status::{DaemonStatus, GapInfo, WatchStatus};
use crate::units::SpanOrOff;
use crate::verify::{VerifyReply, VerifyRequest};

/// Answers every verb with a refusal that names it; `logs` answers only once it is let go.
#[derive(Clone)]
struct Refuser(Arc<tokio::sync::Semaphore>);

macro_rules! refuse {
    ($($method:ident($($argument:ty),*) -> $reply:ty;)*) => {
        impl Fsmon for Refuser {
            $(async fn $method(self, _: Context, $(_: $argument),*) -> Reply<$reply> {
                if stringify!($method) == "logs" {
                    self.0.acquire().await.map_err(|_| ApiError::bug("closed"))?.forget();
                }
                Err(ApiError::refused(stringify!($method)))
            })*
        }
    };
}
refuse! {
    status() -> DaemonStatus;
    add(WatchSpec) -> WatchStatus;
    remove(Vec<String>, bool) -> Vec<Removed>;
    list() -> Vec<WatchStatus>;
    show(String) -> WatchStatus;
    set(String, Options, Vec<String>) -> WatchStatus;
    set_interval(String, SpanOrOff) -> WatchStatus;
    pause(Vec<String>) -> Vec<WatchStatus>;
    resume(Vec<String>) -> Vec<WatchStatus>;
    run_now(Vec<String>, bool) -> SweepStatus;
    sweep(u64, SweepStage, u32) -> SweepStatus;
    tail(TailRequest) -> TailReply;
    runs(RunsRequest) -> Vec<RunInfo>;
    logs(u64, u64, u32) -> LogChunk;
    reload() -> Reloaded;
    stop() -> ();
    log_level(String) -> ();
    doctor() -> Vec<Finding>;
    files(FilesRequest) -> FilesReply;
    retry(String, Vec<RawPath>) -> u64;
    give_up(String, Vec<RawPath>) -> u64;
    gaps(GapsRequest) -> Vec<GapInfo>;
    accept(String) -> u64;
    verify(VerifyRequest) -> VerifyReply;
    dry_add(WatchSpec) -> DryRun;
    dry_set(String, Options, Vec<String>) -> DryRun;
    explain(RawPath) -> Vec<Explained>;
    replay(ReplayRequest) -> SweepStatus;
}

struct Daemon {
    socket: PathBuf,
    let_go: Arc<tokio::sync::Semaphore>,
    panics: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
}

/// A listener in a folder of its own, whose connections are given to `serve`.
fn listen<F, S>(serve: S) -> Daemon
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(UnixStream, Refuser) -> F + Send + 'static,
{
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let let_go = Arc::new(tokio::sync::Semaphore::new(0));
    let refuser = Refuser(Arc::clone(&let_go));
    let panics = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&panics);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = tokio::spawn(serve(stream, refuser.clone()));
            let counter = Arc::clone(&counter);
            tokio::spawn(async move { counter.fetch_add(usize::from(connection.await.is_err()), Ordering::SeqCst) });
        }
    });
    Daemon { socket, let_go, panics, _folder: folder }
}

fn daemon() -> Daemon {
    listen(|stream, refuser| async {
        let Ok(transport) = transport(stream).await else { return };
        let requests = channel(transport).execute(refuser.serve());
        requests.for_each(|request| async { drop(tokio::spawn(request)) }).await;
    })
}

#[tokio::test]
async fn a_call_goes_there_and_back() {
    let daemon = daemon();
    let client = connect(&daemon.socket).await.unwrap();
    let refusal = client.status(context(Duration::ZERO)).await.unwrap().unwrap_err();
    assert_eq!(refusal, ApiError::refused("status"));
    let refusal = client.log_level(context(Duration::ZERO), "debug".into()).await.unwrap().unwrap_err();
    assert_eq!(refusal.message, "log_level");
}

#[tokio::test]
async fn a_client_keeps_to_the_limit_of_requests_in_flight() {
    let daemon = daemon();
    let client = connect(&daemon.socket).await.unwrap();
    let calls: Vec<_> = (0..3 * MAX_IN_FLIGHT as u64)
        .map(|run| {
            let client = client.clone();
            tokio::spawn(async move { client.logs(context(Duration::ZERO), run, 0, 0).await })
        })
        .collect();
    daemon.let_go.add_permits(calls.len());
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().unwrap_err().message, "logs", "none was refused for being too many");
    }
}

/// Everything a hostile client sends on one connection; the daemon must go on for others.
#[tokio::test]
async fn hostile_connections_end_alone() {
    let daemon = daemon();
    let hello = preamble::preamble(VERSION);
    // A whole and valid request for the status, but for its deadline.
    let bomb = |seconds: u64| {
        let body = encode(&(0u32, seconds, 0u32, ([0u8; 16], 0u64, 1u32), 1u64, 0u32)).unwrap();
        let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        frame.extend(body);
        frame
    };
    let attacks: [Vec<u8>; 6] = [
        bomb(u64::MAX),
        bomb(10 * 365 * 86_400),
        vec![0xff; 4],
        vec![0x00, 0x0f, 0xff, 0xff, 0x00],
        vec![0xff; 4096],
        vec![0, 0, 0, 0],
    ];
    for attack in attacks {
        let mut stream = UnixStream::connect(&daemon.socket).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        // It may be closed before all of it is written.
        let _ = stream.write_all(&attack).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let end = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(10), end).await.expect("the connection is closed");
        assert!(rest.len() <= preamble::LENGTH, "nothing but the preamble is answered");
    }
    let client = connect(&daemon.socket).await.unwrap();
    assert_eq!(daemon.panics.load(Ordering::SeqCst), 0, "connections ended by a panic");
    assert_eq!(client.stop(context(Duration::ZERO)).await.unwrap().unwrap_err().message, "stop");
}

#[tokio::test]
async fn no_daemon_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none");
    let stale = folder.path().join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for socket in [&missing, &stale, &file, &file.join("below")] {
        let error = connect(socket).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NoDaemon, "{error}");
        assert!(error.message.contains(socket.to_str().unwrap()), "{error}");
        assert_eq!(error.hint.unwrap(), "start one with: fsmond --foreground");
    }
}

#[tokio::test]
async fn the_search_goes_on_only_where_no_daemon_answers() {
    let daemon = daemon();
    let stale = daemon.socket.with_file_name("stale");
    drop(UnixListener::bind(&stale).unwrap());
    let (_client, found) = connect_first(&[&stale, &daemon.socket]).await.unwrap();
    assert_eq!(found, daemon.socket);
    let missing = daemon.socket.with_file_name("missing");
    let error = connect_first(&[&stale, &missing]).await.unwrap_err();
    assert!(error.message.contains("/stale"), "{error}");
    assert_eq!(connect_first(&[]).await.unwrap_err().kind, ErrorKind::Bug);
}

#[tokio::test]
async fn a_socket_that_may_not_be_used_says_so() {
    let daemon = daemon();
    std::fs::set_permissions(&daemon.socket, std::fs::Permissions::from_mode(0o0)).unwrap();
    match connect(&daemon.socket).await {
        Err(error) => assert_eq!(error.kind, ErrorKind::NotPermitted),
        Ok(_) => assert!(rustix::process::geteuid().is_root(), "only root may pass a mode of 0"),
    }
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    let error = unreachable_daemon(Path::new("/run/a\nb"), &denied);
    assert_eq!(error.kind, ErrorKind::NotPermitted);
    assert!(error.message.ends_with("/run/a\\nb"), "{error}");
}

#[tokio::test]
async fn another_version_names_both() {
    let daemon = listen(|mut stream, _| async move {
        let _ = preamble::exchange(&mut stream, VERSION + 1, Duration::from_secs(10)).await;
    });
    let error = connect(&daemon.socket).await.unwrap_err();
    let expected = format!("fsmond speaks version {}, this fsmonctl {VERSION}; use the same version", VERSION + 1);
    assert_eq!(error.message, expected);
    assert_eq!(error.kind, ErrorKind::Refused);
}

#[tokio::test]
async fn something_else_at_the_socket_is_named() {
    let daemon = listen(|mut stream, _| async move {
        let _ = stream.write_all(b"+OK POP3 server ready\r\n").await;
    });
    let error = connect(&daemon.socket).await.unwrap_err();
    assert!(error.message.ends_with("is not fsmond"), "{error}");
    let daemon = listen(|stream, _| async move { drop(stream) });
    assert_eq!(connect(&daemon.socket).await.unwrap_err().kind, ErrorKind::NoDaemon);
}

#[tokio::test]
async fn a_path_that_is_too_long_is_refused_with_its_length() {
    let error = connect(Path::new(&format!("/{}", "a".repeat(200)))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.message.contains("has 201 bytes"), "{error}");
}

#[test]
fn only_root_oneself_and_fsmond_are_trusted() {
    for (peer, own, daemon, expected) in [
        (0, 1000, None, true),
        (1000, 1000, None, true),
        (990, 1000, Some(990), true),
        (990, 1000, None, false),
        (1001, 1000, Some(990), false),
        (1000, 0, Some(990), false),
    ] {
        assert_eq!(is_trusted(peer, own, daemon), expected, "{peer} {own} {daemon:?}");
    }
}

#[tokio::test]
async fn errors_of_calls_are_told_to_people() {
    let daemon = listen(|mut stream, _| async move {
        let _ = preamble::exchange(&mut stream, VERSION, Duration::from_secs(10)).await;
    });
    let client = connect(&daemon.socket).await.unwrap();
    let error = call_error(&client.status(context(Duration::ZERO)).await.unwrap_err());
    assert_eq!(error.kind, ErrorKind::NoDaemon);
    assert_eq!(call_error(&RpcError::DeadlineExceeded).kind, ErrorKind::TimedOut);
    let throttled = tarpc::ServerError::new(io::ErrorKind::Other, "throttled\u{1b}[2J".into());
    let error = call_error(&RpcError::Server(throttled));
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.ends_with("throttled\\e[2J"), "{error}");
}
