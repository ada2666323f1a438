//! More commands than their watch has places for.

use super::*;

/// One at a time, and the first does not end before the file `go` is there.
async fn three(bench: &mut Bench) -> [RunId; 3] {
    let one = || Options { concurrency: Some(1), ..millis(60_000, 60_000) };
    let first = "echo $$ > first; while [ ! -e go ]; do sleep 0.01; done; echo $FSMON_RUN >> order";
    let first = bench.give(&["sh", "-c", first], one());
    let next = ["sh", "-c", "echo $FSMON_RUN >> order"];
    let runs = [first, bench.give(&next, one()), bench.give(&next, one())];
    pid_in(&bench.root.path().join("first")).await;
    runs
}

fn order(bench: &Bench) -> String {
    std::fs::read_to_string(bench.root.path().join("order")).unwrap_or_default()
}

fn go(bench: &Bench) {
    std::fs::write(bench.root.path().join("go"), "").unwrap();
}

async fn taken_back(bench: &mut Bench, runs: &[RunId]) {
    let mut heard = Vec::new();
    for _ in runs {
        match tokio::time::timeout(LIMIT, bench.inbox.recv()).await.unwrap().unwrap() {
            Input::RunTakenBack(run) => heard.push(run),
            other => panic!("{other:?}"),
        }
    }
    heard.sort_unstable();
    assert_eq!(heard, runs);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_begin_in_order_as_places_become_free() {
    let mut bench = Bench::new();
    let runs = three(&mut bench).await;
    assert_eq!(order(&bench), "");
    go(&bench);
    for run in runs {
        let ended = bench.ended().await;
        assert_eq!((ended.run, ended.outcome), (run, Outcome::Exited(0)));
    }
    assert_eq!(order(&bench), "1\n2\n3\n");
    // The place that was passed on is free again.
    assert_eq!(bench.run(&["true"], Options { concurrency: Some(1), ..Options::default() }).await.run, 4);
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_are_taken_back_do_not_begin() {
    let mut bench = Bench::new();
    let [first, second, third] = three(&mut bench).await;
    bench.runner.take_back(WatchId(8), None);
    bench.runner.take_back(WatchId(7), Some(first));
    bench.runner.take_back(WatchId(7), Some(third));
    taken_back(&mut bench, &[third]).await;
    bench.runner.take_back(WatchId(7), None);
    taken_back(&mut bench, &[second]).await;
    bench.runner.take_back(WatchId(7), None);
    go(&bench);
    assert_eq!(bench.ended().await.run, first);
    assert_eq!(order(&bench), "1\n");
    bench.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_takes_back_what_waits() {
    let mut bench = Bench::new();
    let [first, second, third] = three(&mut bench).await;
    bench.runner.stop(Instant::now() + Duration::from_millis(200)).await;
    let mut answers = Vec::new();
    while let Ok(answer) = bench.inbox.try_recv() {
        answers.push(match answer {
            Input::RunEnded(ended) => (ended.run, ended.outcome == Outcome::Interrupted),
            Input::RunTakenBack(run) => (run, true),
            other => panic!("{other:?}"),
        });
    }
    answers.sort_unstable();
    assert_eq!(answers, [(first, true), (second, true), (third, true)]);
    assert_eq!(order(&bench), "");
    bench.nothing_more().await;
}
