//! How many commands per second, against the least that any program can do. Not part of the tests: it asserts
//! nothing about time. `cargo test --release -p fsmond runner::tests::speed -- --ignored --nocapture`

use super::*;

const RUNS: u32 = 4_000;

/// Two threads that start `/bin/true` with `posix_spawn` and wait for it.
fn bare() -> f64 {
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..RUNS / 2 {
                    assert!(std::process::Command::new("/bin/true").status().unwrap().success());
                }
            });
        }
    });
    f64::from(RUNS) / began.elapsed().as_secs_f64()
}

async fn runner(bench: &mut Bench) -> f64 {
    let began = std::time::Instant::now();
    for number in 0..RUNS {
        if number >= 2 {
            assert_eq!(bench.ended().await.outcome, Outcome::Exited(0));
        }
        bench.give(&["/bin/true"], Options::default());
    }
    bench.ended().await;
    bench.ended().await;
    f64::from(RUNS) / began.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn of_true() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        let bare = tokio::task::spawn_blocking(bare).await.unwrap();
        let ours = runner(&mut bench).await;
        println!("bare {bare:.0}/s, runner {ours:.0}/s: {:.0} %", 100.0 * ours / bare);
    }
}
