//! What each method answers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fsmon_core::io::{Command, FolderProblem};
use fsmon_protocol::ErrorKind;
use fsmon_protocol::rpc_types::{RunsRequest, SweepStage};
use fsmon_protocol::run::Outcome;
use fsmon_protocol::spec::{Options, WatchSpec};
use fsmon_protocol::status::DefinedBy;

use super::{Stand, waiting, watch_status};
use crate::rpc::Limits;
use crate::rpc::roles::Role;
use crate::rpc::runs::hide_command;
use crate::rpc::watches::visible;

fn named(path: &str, options: Options) -> WatchSpec {
    WatchSpec { name: "n".into(), path: path.into(), options }
}

#[tokio::test]
async fn status_joins_what_core_engine_and_app_know_and_no_environment_value() {
    let stand = Stand::new(Limits::default());
    stand.bench.inbox.send(fsmon_core::Input::StoreState(Some("disk full".into()))).await.unwrap();
    let client = stand.client().await;
    let status = client.status(waiting(0)).await.unwrap().unwrap();
    assert_eq!((status.counters.hints, status.counters.log_lines_dropped), (3, 7));
    assert_eq!(status.store_error.as_deref(), Some("disk full"));
    assert_eq!(status.pid, std::process::id());
    assert_eq!(status.watches.len(), 2);
    assert_eq!(status.watches[0].rules.env, ["TOKEN=", "EMPTY="]);
    let listed = client.list(waiting(0)).await.unwrap().unwrap();
    assert_eq!(listed, status.watches);
    assert!(!format!("{listed:?}").contains("secret"));
}

#[test]
fn nor_the_program_in_the_reason_of_a_failure() {
    let mut run = super::run_info(1);
    run.outcome = Some(Outcome::NotStarted("'/opt/secret/tool' is not there".into()));
    hide_command(&mut run.outcome);
    assert!(matches!(&run.outcome, Some(Outcome::NotStarted(why)) if !why.contains("tool")), "{run:?}");
}

#[test]
fn those_who_only_look_see_no_command_line() {
    let mut watch = watch_status("w");
    watch.rules.command = vec!["send".into(), "--key".into()];
    assert!(visible(watch.clone(), Some(Role::Reader)).rules.command.is_empty());
    assert!(visible(watch.clone(), None).rules.command.is_empty());
    assert_eq!(visible(watch.clone(), Some(Role::Operator)).rules.command, watch.rules.command);
}

#[tokio::test]
async fn add_gives_the_core_a_path_that_was_looked_at() {
    let stand = Stand::new(Limits::default());
    let client = stand.client().await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    std::fs::write(folder.path().join("one"), "1").unwrap();
    client.add(waiting(0), named(&format!("{root}//./"), Options::default())).await.unwrap().unwrap();
    client.add(waiting(0), named(&format!("{root}/one"), Options::default())).await.unwrap().unwrap();
    let commands = stand.commands.lock().unwrap().clone();
    let expected = |path: &str, only: Option<&[u8]>| Command::Add {
        spec: named(path, Options::default()),
        defined_by: DefinedBy::Runtime,
        only: only.map(Into::into),
    };
    assert_eq!(commands, [expected(root, None), expected(&format!("{root}/one"), Some(b"one"))]);
    let missing = client.add(waiting(0), named("/no/such", Options::default())).await.unwrap().unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    assert!(missing.hint.unwrap().contains("--allow-missing"));
    let options = Options { cwd: Some("here".into()), ..Options::default() };
    assert_eq!(client.add(waiting(0), named(root, options)).await.unwrap().unwrap_err().kind, ErrorKind::Usage);
    assert_eq!(stand.commands.lock().unwrap().len(), 2, "the core hears of nothing that is refused");
}

#[tokio::test]
async fn what_is_odd_about_a_new_command_is_told_and_it_is_done_all_the_same() {
    let stand = Stand::new(Limits::default());
    let client = stand.client().await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let added = client.add(waiting(0), named(root, Options::default())).await.unwrap().unwrap();
    assert_eq!(added.warnings, ["12 is odd"], "the app is asked with the values of the environment");
    assert_eq!(added.rules.env, ["TOKEN=", "EMPTY="], "which nobody is shown");
    let options = Options { env: Some(vec!["A=b".into()]), ..Options::default() };
    let set = client.set(waiting(0), "w1".into(), options, vec![]).await.unwrap().unwrap();
    assert_eq!(set.warnings.len(), 1);
    let options = Options { retries: Some(1), ..Options::default() };
    let set = client.set(waiting(0), "w1".into(), options, vec![]).await.unwrap().unwrap();
    assert!(set.warnings.is_empty(), "nothing else is started by that");
}

#[tokio::test]
async fn what_the_core_or_the_app_refuses_reaches_the_client() {
    let stand = Stand::new(Limits::default());
    let client = stand.client().await;
    assert_eq!(client.show(waiting(0), "x".into()).await.unwrap().unwrap_err().message, "no watch x");
    let usage = [
        client.pause(waiting(0), vec![]).await.unwrap().map(drop),
        client.resume(waiting(0), vec![]).await.unwrap().map(drop),
        client.remove(waiting(0), vec![], false).await.unwrap().map(drop),
        client.set(waiting(0), "w1".into(), Options::default(), vec![]).await.unwrap().map(drop),
        client.log_level(waiting(0), "loud".into()).await.unwrap(),
    ];
    assert!(usage.iter().all(|result| result.as_ref().is_err_and(|error| error.kind == ErrorKind::Usage)));
    assert_eq!(client.reload(waiting(0)).await.unwrap().unwrap_err().message, "line 3 of the config is bad");
    client.log_level(waiting(0), "debug".into()).await.unwrap().unwrap();
    assert_eq!(client.pause(waiting(0), vec!["w1".into()]).await.unwrap().unwrap()[0].name, "w1");
    let of_nobody = RunsRequest { watch: Some("w9".into()), failed: false, max: 5 };
    assert!(client.runs(waiting(0), of_nobody).await.unwrap().unwrap().is_empty());
    let all = RunsRequest { watch: None, failed: false, max: u32::MAX };
    assert_eq!(client.runs(waiting(0), all).await.unwrap().unwrap().len(), 3);
}

#[tokio::test]
async fn explain_has_the_path_looked_at_below_each_root_and_joins_its_runs() {
    let stand = Stand::new(Limits::default());
    let client = stand.client().await;
    let told = client.explain(waiting(0), "/r//sub/./a".into()).await.unwrap().unwrap();
    assert_eq!(told.iter().map(|one| one.last.as_ref().unwrap().run).collect::<Vec<_>>(), [7, u64::from(u32::MAX)]);
    let commands = stand.commands.lock().unwrap().clone();
    assert_eq!(commands[0], Command::Covering("/r/sub/a".into()));
    let Command::Explain(seen) = &commands[1] else { panic!("{commands:?}") };
    let ends: Vec<_> = seen.iter().map(|(_, sighting)| sighting.end.clone().unwrap_err()).collect();
    let hangs = FolderProblem::Other("its file system does not answer".into());
    assert_eq!(ends, [FolderProblem::NotPermitted, hangs], "one that hangs is not asked");
    for bad in ["", "a", "/r/../etc/shadow", "/r/a\0b"] {
        assert_eq!(
            client.explain(waiting(0), bad.into()).await.unwrap().unwrap_err().kind,
            ErrorKind::Usage,
            "{bad:?}"
        );
    }
    assert_eq!(stand.commands.lock().unwrap().len(), 2, "the core hears of none of these");
}

#[tokio::test]
async fn a_sweep_is_followed_until_it_moves_or_the_time_is_over() {
    let stand = Stand::new(Limits::default());
    let client = stand.client().await;
    let started = client.run_now(waiting(0), vec!["w1".into()], true).await.unwrap().unwrap();
    assert_eq!((started.id, started.stage), (5, SweepStage::Reconciling));
    let moved = client.sweep(waiting(25_000), 5, SweepStage::Reconciling, 25_000).await.unwrap().unwrap();
    assert_eq!(moved.stage, SweepStage::Running);
    let same = client.sweep(waiting(50), 5, SweepStage::Running, 50).await.unwrap().unwrap();
    assert_eq!(same.stage, SweepStage::Running);
}

#[tokio::test]
async fn output_comes_in_chunks_until_the_run_has_ended() {
    let stand = Stand::new(Limits::default());
    let client = stand.client().await;
    let all: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    *stand.history.output.lock().unwrap() = (all.clone(), false);
    let mut got = Vec::new();
    while got.len() < all.len() {
        let chunk = client.logs(waiting(0), 1, got.len() as u64, 0).await.unwrap().unwrap();
        assert!(!chunk.finished);
        got.extend(chunk.bytes);
        assert_eq!(chunk.next, got.len() as u64);
    }
    assert_eq!(got, all);
    let more = tokio::spawn({
        let client = client.clone();
        async move { client.logs(waiting(25_000), 1, 300_000, 25_000).await }
    });
    stand.history.output.lock().unwrap().1 = true;
    let end = more.await.unwrap().unwrap().unwrap();
    assert!(end.finished && end.bytes.is_empty());
    let beyond = client.logs(waiting(0), 1, u64::MAX, 0).await.unwrap().unwrap();
    assert_eq!(beyond.next, u64::MAX);
}

#[tokio::test]
async fn stop_is_answered_and_then_everything_ends() {
    let stand = Stand::new(Limits::default());
    let client = stand.client().await;
    let (waits, idle) = (stand.client().await, stand.client().await);
    let waits = tokio::spawn(async move { waits.sweep(waiting(25_000), 5, SweepStage::Running, 25_000).await });
    idle.list(waiting(0)).await.unwrap().unwrap();
    client.stop(waiting(0)).await.unwrap().unwrap();
    // Whoever waited is answered, or was not yet heard and sees the end of the connection.
    let _ = waits.await.unwrap();
    stand.serving.await.unwrap();
    assert!(idle.list(waiting(0)).await.is_err());
    assert_eq!(stand.bench.edges.backlog.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_method_that_panics_ends_no_other() {
    let stand = Stand::new(Limits::default());
    let client = stand.client().await;
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.sweep(waiting(300), 5, SweepStage::Running, 300).await }
    });
    let mut context = waiting(0);
    context.deadline = std::time::Instant::now() + Duration::from_millis(200);
    assert!(client.log_level(context, "panic".into()).await.is_err());
    assert!(slow.await.unwrap().unwrap().is_ok());
    assert!(client.list(waiting(0)).await.unwrap().is_ok());
}
