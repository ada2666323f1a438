//! The stop: no new connections, no new runs, time for those that are running, everything stored, the socket gone.
//!
//! One deadline for all; a second signal is now.

use std::time::Duration;

use fsmon_core::io::{Answer, Command};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::daemon::{Daemon, Why};
use super::failure::sentence;
use crate::engine::{Edges, EngineHandle};
use crate::host::notify;
use crate::host::signals::{Asked, Signals};
use crate::runner::Runner;
use crate::store::Storing;
use crate::watch::Watching;

/// What runs have at least, whatever grace their watches give.
const LEAST_GRACE: Duration = Duration::from_secs(10);
/// Beyond the longest grace: for killed processes to disappear and their ends to be told.
const BEYOND: Duration = Duration::from_secs(2);
/// What a service manager should grant beyond the commands' time, so that the store is closed cleanly.
const TO_CLOSE: Duration = Duration::from_secs(30);
/// How long the engine may take to answer a question.
const ANSWER: Duration = Duration::from_secs(2);
/// What is left after the second signal.
const AFTER_SECOND: Duration = Duration::from_secs(3);

/// Stops. Gives the code to end with.
pub async fn stop(daemon: Daemon, why: Why) -> u8 {
    let Daemon { engine, mut task, runner, mut signals, stop, serving, printer, bound, state_lock, .. } = daemon;
    notify::stopping();
    stop.cancel();
    let hurry = CancellationToken::new();
    let closing = async {
        let (left, mut code) = match why {
            Why::Asked(by) => {
                info!(by, "stopping");
                wind_down(&engine, &runner, &hurry, true).await;
                engine.end();
                let (edges, result) = task.ended().await;
                (edges, u8::from(result.inspect_err(|e| error!("{e}")).is_err()))
            }
            Why::Store(reason) => {
                error!("stopping, since nothing can be stored any more: {reason}");
                wind_down(&engine, &runner, &hurry, false).await;
                engine.end();
                (task.ended().await.0, 1)
            }
            Why::Engine(edges, failed) => {
                error!("stopping: {failed}");
                runner.stop(Instant::now()).await;
                (edges, 1)
            }
        };
        if let Some(edges) = left {
            code = code.max(close(edges).await);
        }
        if let Some(printer) = printer {
            printer.finish().await;
        }
        // Ends by itself within its own limits.
        if serving.await.is_err() {
            error!("the server panicked, which is a bug in fsmond");
            code = code.max(1);
        }
        // Only now may another daemon take this one's place. The socket's lock is the last: fsmonctl waits for it.
        drop(state_lock);
        drop(bound);
        code
    };
    within_signals(closing, &mut signals, &hurry).await
}

/// Lets it close; a further signal cuts it short.
async fn within_signals(closing: impl Future<Output = u8>, signals: &mut Signals, hurry: &CancellationToken) -> u8 {
    tokio::pin!(closing);
    loop {
        tokio::select! {
            code = &mut closing => return code,
            asked = signals.next() => match asked {
                Asked::Stop | Asked::StopNow => break,
                Asked::Reload => {}
            },
        }
    }
    warn!("asked once more: stopping now");
    hurry.cancel();
    tokio::select! {
        code = &mut closing => code,
        () = sleep_until(Instant::now() + AFTER_SECOND) => {
            error!("ended before all was closed; what is in the journal is replayed at the next start");
            1
        }
    }
}

/// No starts; the last checkpoints (where anything can be stored); an end to all commands, each told to the engine.
async fn wind_down(engine: &EngineHandle, runner: &Runner, hurry: &CancellationToken, store: bool) {
    let longest = grace(engine).await.max(LEAST_GRACE) + BEYOND;
    let deadline = Instant::now() + longest;
    notify::stop_takes(longest + TO_CLOSE);
    let stopped = engine.command(Command::Stop);
    let ended = async {
        tokio::select! {
            () = runner.stop(deadline) => {}
            () = hurry.cancelled() => runner.stop(Instant::now()).await,
        }
    };
    if store {
        let stored = async {
            tokio::select! {
                stopped = timeout_at(deadline, stopped) => match stopped {
                    Ok(Ok(_)) => {}
                    Ok(Err(why)) => error!("the last state can't be stored: {}", sentence(&why)),
                    Err(_) => error!("the last state could not be stored in time; the journal has it"),
                },
                () = hurry.cancelled() => {}
            }
        };
        tokio::join!(stored, ended);
    } else {
        ended.await;
    }
}

/// The longest grace of those watches of which something runs.
async fn grace(engine: &EngineHandle) -> Duration {
    match timeout(ANSWER, engine.command(Command::Show(Vec::new()))).await {
        Ok(Ok(Answer::Watches(watches))) => {
            let running = watches.iter().filter(|watch| watch.running > 0);
            running.map(|watch| watch.rules.grace.0).max().unwrap_or_default()
        }
        _ => Duration::ZERO,
    }
}

/// The store first: it is what counts. Both block, so they do it elsewhere.
async fn close(edges: Edges<Watching, Storing, Runner>) -> u8 {
    let Edges { watch, store, .. } = edges;
    let closing = tokio::task::spawn_blocking(move || {
        let closed = store.close();
        let left = watch.shutdown();
        if left > 0 {
            warn!(left, "threads hang in a mount that does not answer and are left behind");
        }
        closed
    });
    match closing.await {
        Ok(Ok(())) => {
            info!("stopped");
            0
        }
        Ok(Err(why)) => {
            error!("the store was not closed cleanly: {why}; nothing that was confirmed is lost");
            1
        }
        Err(failed) => {
            error!("closing failed, which is a bug in fsmond: {failed}");
            1
        }
    }
}
