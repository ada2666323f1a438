//! Clients that are hostile, broken, slow, many, or somebody else.

use std::io::ErrorKind as Io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::{Duration, Instant};

use fsmon_protocol::rpc::codec::{ClientWire, encode};
use fsmon_protocol::rpc::preamble::{LENGTH, preamble};
use fsmon_protocol::rpc::{FsmonClient, FsmonRequest, connect};
use fsmon_protocol::rpc_types::SweepStage;
use fsmon_protocol::{ErrorKind, VERSION};
use tarpc::client::RpcError;
use tarpc::{ClientMessage, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::codec::Framed;

use super::{Stand, waiting};
use crate::engine::testing::until;
use crate::rpc::Limits;
use crate::rpc::census::Census;

/// Longer than anything here takes, shorter than a person waits.
const LONG: Duration = Duration::from_secs(20);

fn short() -> Limits {
    Limits {
        first_request: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        unread_reply: Duration::from_millis(300),
        ..Limits::default()
    }
}

/// A connection that has said who it is.
async fn greeted(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(&preamble(VERSION)).await.unwrap();
    stream.read_exact(&mut [0; LENGTH]).await.unwrap();
    stream
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(bytes);
    frame
}

/// A request for the list of watches, as bytes.
fn list_request(id: u64, deadline: Duration) -> Vec<u8> {
    let mut context = tarpc::context::Context::current();
    context.deadline = Instant::now() + deadline;
    frame(&encode(&ClientMessage::Request(Request { context, id, message: FsmonRequest::List {} })).unwrap())
}

/// Waits for the server to close the connection.
async fn closed(mut stream: UnixStream) {
    let read_on = async { while stream.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {} };
    timeout(LONG, read_on).await.expect("the server closes the connection");
}

/// Others are served as ever.
async fn still_well(stand: &Stand) {
    let client = stand.client().await;
    assert!(client.list(waiting(0)).await.unwrap().is_ok());
    assert!(!stand.serving.is_finished());
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let stand = Stand::new(Limits::default());
    let huge = [0x7f, 0xff, 0xff, 0xff];
    let too_large = (1_u32 << 20) + 1;
    let absurd_deadline = [&[0, 253][..], &[0xff; 8], &[0, 0, 0, 0, 0, 0]].concat();
    let attacks = [
        frame(&[]),
        frame(&[0xff; 100]),
        frame(&[9]),
        huge.to_vec(),
        too_large.to_be_bytes().to_vec(),
        frame(&absurd_deadline),
        list_request(1, Duration::from_secs(3 * 365 * 86_400)),
        list_request(1, Duration::from_secs(601)),
        [list_request(1, LONG), frame(&[0xaa; 64])].concat(),
    ];
    for attack in attacks {
        let mut stream = greeted(&stand.socket()).await;
        stream.write_all(&attack).await.unwrap();
        closed(stream).await;
        still_well(&stand).await;
    }
    for stranger in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), preamble(VERSION + 1).to_vec(), vec![0; 1 << 16]] {
        let mut stream = UnixStream::connect(&stand.socket()).await.unwrap();
        let _ = stream.write_all(&stranger).await;
        closed(stream).await;
    }
    still_well(&stand).await;
}

#[tokio::test]
async fn whoever_says_nothing_or_half_of_it_is_not_waited_for() {
    let stand = Stand::new(short());
    let silent = UnixStream::connect(&stand.socket()).await.unwrap();
    let mut half_greeted = UnixStream::connect(&stand.socket()).await.unwrap();
    half_greeted.write_all(b"fsmo").await.unwrap();
    let asks_nothing = greeted(&stand.socket()).await;
    let mut half_asked = greeted(&stand.socket()).await;
    half_asked.write_all(&[0, 0, 1]).await.unwrap();
    let mut half_sent = greeted(&stand.socket()).await;
    half_sent.write_all(&(1_u32 << 19).to_be_bytes()).await.unwrap();
    for stream in [silent, half_greeted, asks_nothing, half_asked, half_sent] {
        closed(stream).await;
    }
    still_well(&stand).await;
}

#[tokio::test]
async fn idle_connections_are_closed_and_waiting_ones_are_not() {
    let stand = Stand::new(short());
    let waits = stand.client().await;
    let slow = tokio::spawn(async move { waits.sweep(waiting(1000), 5, SweepStage::Running, 1000).await });
    let mut idle = greeted(&stand.socket()).await;
    idle.write_all(&list_request(1, LONG)).await.unwrap();
    closed(idle).await;
    assert!(slow.await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn whoever_takes_no_replies_is_cut_off() {
    let stand = Stand::new(short());
    let mut stream = greeted(&stand.socket()).await;
    let flood = async {
        for id in 0.. {
            if stream.write_all(&list_request(id, LONG)).await.is_err() {
                return;
            }
        }
    };
    timeout(LONG, flood).await.expect("the server closes the connection");
    still_well(&stand).await;
}

#[tokio::test]
async fn of_400_connections_32_stay_and_those_not_for_long() {
    for (limits, left) in [(Limits::default(), 32), (short(), 0)] {
        let stand = Stand::new(limits);
        let path = stand.socket();
        let connecting = tokio::task::spawn_blocking(move || {
            (0..400).map(|_| std::os::unix::net::UnixStream::connect(&path).unwrap()).collect::<Vec<_>>()
        });
        let streams = connecting.await.unwrap();
        for stream in &streams {
            stream.set_nonblocking(true).unwrap();
        }
        let is_open = |stream: &std::os::unix::net::UnixStream| {
            let mut bytes = [0; 64];
            loop {
                match std::io::Read::read(&mut &*stream, &mut bytes) {
                    Ok(0) => return false,
                    Ok(_) => {}
                    Err(error) => return error.kind() == Io::WouldBlock,
                }
            }
        };
        until("only so many are left", || streams.iter().filter(|stream| is_open(stream)).count() == left).await;
        if left > 0 {
            assert_eq!(connect(&stand.socket()).await.unwrap_err().kind, ErrorKind::NoDaemon);
        }
        drop(streams);
        until_served(&stand).await;
    }
}

/// Waits until a new client is served.
async fn until_served(stand: &Stand) {
    let trying = async {
        loop {
            if let Ok(client) = connect(&stand.socket()).await
                && client.list(waiting(0)).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, trying).await.expect("a new client is served");
}

#[tokio::test]
async fn a_client_that_is_gone_holds_no_place() {
    let stand = Stand::new(Limits { per_admin: 1, ..Limits::default() });
    let mut waits = greeted(&stand.socket()).await;
    let silent = FsmonRequest::Pause { watches: vec!["silent".into()] };
    let mut context = tarpc::context::Context::current();
    context.deadline = Instant::now() + Duration::from_secs(500);
    let message = ClientMessage::Request(Request { context, id: 1, message: silent });
    waits.write_all(&frame(&encode(&message).unwrap())).await.unwrap();
    until("the command is there", || !stand.commands.lock().unwrap().is_empty()).await;
    drop(waits);
    until_served(&stand).await;
}

#[tokio::test]
async fn more_than_32_requests_at_once_are_refused() {
    let stand = Stand::new(Limits::default());
    let mut config = tarpc::client::Config::default();
    config.max_in_flight_requests = 100;
    let stream = greeted(&stand.socket()).await;
    let client = FsmonClient::new(config, Framed::new(stream, ClientWire::of_client())).spawn();
    let silent = |n| {
        let client = client.clone();
        let mut context = waiting(0);
        context.deadline = Instant::now() + Duration::from_secs(if n < 32 { 2 } else { 20 });
        tokio::spawn(async move { client.pause(context, vec!["silent".into()]).await })
    };
    let waiting: Vec<_> = (0..32).map(silent).collect();
    until("32 commands are there", || stand.commands.lock().unwrap().len() == 32).await;
    for n in 32..40 {
        let refused = silent(n).await.unwrap().unwrap_err();
        // Its kind is lost on the wire: tarpc 0.38 writes the number signed and reads it unsigned.
        assert!(matches!(&refused, RpcError::Server(error) if error.detail.contains("throttled")), "{refused:?}");
    }
    for pending in waiting {
        assert!(matches!(pending.await.unwrap(), Err(RpcError::DeadlineExceeded)));
    }
    assert_eq!(stand.commands.lock().unwrap().len(), 32);
}

#[test]
fn strangers_never_take_all_places() {
    let census = Census::new(Limits { connections: 10, per_stranger: 2, per_admin: 4, ..Limits::default() });
    let strangers: Vec<_> =
        (1000..1010).flat_map(|uid| [census.enter(Some(uid), false), census.enter(Some(uid), false)]).collect();
    assert_eq!(strangers.iter().filter(|place| place.is_ok()).count(), 5);
    let root: Vec<_> = (0..5).map(|_| census.enter(Some(0), true)).collect();
    assert_eq!(root.iter().filter(|place| place.is_ok()).count(), 4);
    drop(strangers);
    let unknown: Vec<_> = (0..3).map(|_| census.enter(None, false)).collect();
    assert_eq!(unknown.iter().filter(|place| place.is_ok()).count(), 2);
    drop((root, unknown));
    assert!((0..4).map(|_| census.enter(Some(0), true)).all(|place| place.is_ok()));
}

/// The socket for [`as_somebody_else`], which is this test program run again by another user.
const SOCKET: &str = "FSMOND_TEST_SOCKET";
/// Nobody.
const NOBODY: u32 = 65_534;

/// Not a test of its own: the other side of [`somebody_else_is_refused_everything`].
#[tokio::test]
#[ignore = "run by another test, as another user"]
async fn as_somebody_else() {
    let Some(socket) = std::env::var_os(SOCKET).map(PathBuf::from) else { return };
    let client = connect(&socket).await.unwrap();
    let refused = [
        client.status(waiting(0)).await.unwrap().map(drop),
        client.list(waiting(0)).await.unwrap().map(drop),
        client.stop(waiting(0)).await.unwrap(),
        client.pause(waiting(0), vec!["w1".into()]).await.unwrap().map(drop),
    ];
    assert!(refused.iter().all(|reply| reply.as_ref().is_err_and(|error| error.kind == ErrorKind::NotPermitted)));
    let mut more = Vec::new();
    for _ in 1..8 {
        more.push(connect(&socket).await.unwrap());
    }
    assert_eq!(connect(&socket).await.unwrap_err().kind, ErrorKind::NoDaemon, "a ninth connection is one too many");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_is_refused_everything() {
    if rustix::process::geteuid().as_raw() != 0 {
        return; // Only root can become somebody else.
    }
    let stand = Stand::with(Limits::default(), 0, 0o666);
    std::fs::set_permissions(stand.folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    // Where this program lies may be closed to others.
    let program = stand.folder.path().join("program");
    let own = std::env::current_exe().unwrap();
    std::fs::hard_link(&own, &program).or_else(|_| std::fs::copy(&own, &program).map(drop)).unwrap();
    let output = tokio::process::Command::from({
        let mut process = Process::new(&program);
        process.args(["--ignored", "--exact", "rpc::tests::attacks::as_somebody_else"]);
        process.env(SOCKET, stand.socket()).current_dir("/").uid(NOBODY).gid(NOBODY);
        process
    })
    .output()
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert!(stand.commands.lock().unwrap().is_empty(), "nothing reached the core");
    still_well(&stand).await;
}

/// Not a test of its own: the other side of [`without_descriptors_accepting_waits_and_goes_on`].
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn with_few_descriptors() {
    let stand = Stand::new(Limits::default());
    let limit = rustix::process::Rlimit { current: Some(64), maximum: Some(64) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let mut fillers = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        fillers.push(file);
    }
    // One is left for the client, none for the server's side of it.
    fillers.pop();
    let mut client = UnixStream::connect(&stand.socket()).await.unwrap();
    client.write_all(&preamble(VERSION)).await.unwrap();
    let mut answer = [0; LENGTH];
    let greeting = timeout(Duration::from_millis(500), client.read_exact(&mut answer)).await;
    assert!(greeting.is_err(), "there is no descriptor to accept with");
    drop(fillers);
    timeout(LONG, client.read_exact(&mut answer)).await.expect("it goes on by itself").unwrap();
    still_well(&stand).await;
}

#[tokio::test]
async fn without_descriptors_accepting_waits_and_goes_on() {
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "rpc::tests::attacks::with_few_descriptors"])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
