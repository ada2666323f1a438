//! The heartbeat: tells the service manager how the watches are, and with it that the daemon works.
//!
//! Every beat is a question to the engine, which takes its turn like any other. So a sign of life comes only from an
//! engine that goes on: one that hangs answers nothing, nothing is told, and the manager starts another daemon. Nothing
//! here may ever tell that the daemon lives without having asked.

use std::collections::BTreeMap;
use std::time::Duration;

use fsmon_core::io::{Answer, Command};
use fsmon_protocol::status::WatchStatus;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::engine::EngineHandle;
use crate::host::notify;

/// How often the manager is told how it goes. More often only where it waits for signs of life.
const USUAL: Duration = Duration::from_secs(30);
/// How many beats there are in the time after which the manager loses patience.
const IN_PATIENCE: u32 = 3;

/// A heart that beats until this is dropped.
#[derive(Debug)]
pub struct Heartbeat(AbortHandle);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins with a first beat at once. None where no manager listens. During the stop it goes on, as long as the engine does.
pub fn start(engine: EngineHandle) -> Option<Heartbeat> {
    notify::wanted().then(|| {
        let beating = beat(engine, period(notify::watchdog()), |glance| notify::alive(&glance));
        Heartbeat(tokio::spawn(beating).abort_handle())
    })
}

fn period(watchdog: Option<Duration>) -> Duration {
    watchdog.map_or(USUAL, |patience| (patience / IN_PATIENCE).min(USUAL)).max(Duration::from_millis(1))
}

async fn beat(engine: EngineHandle, period: Duration, tell: impl Fn(String)) {
    let mut beats = interval(period);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        match engine.command(Command::Show(Vec::new())).await {
            Ok(Answer::Watches(watches)) => tell(glance(&watches, engine.store_error().as_deref())),
            // The engine has ended, and with it the daemon's life.
            _ => return,
        }
    }
}

/// How it goes, on one line.
fn glance(watches: &[WatchStatus], store_error: Option<&str>) -> String {
    let sum = |of: fn(&WatchStatus) -> u64| watches.iter().map(of).sum::<u64>();
    let mut states = BTreeMap::new();
    for watch in watches {
        *states.entry(watch.state.as_str()).or_insert(0_u64) += 1;
    }
    let states: Vec<_> = states.into_iter().map(|(state, n)| format!("{n} {state}")).collect();
    let states = if states.is_empty() { String::new() } else { format!(" ({})", states.join(", ")) };
    let store = store_error.map_or_else(String::new, |why| format!("; nothing can be stored: {why}"));
    format!(
        "{} watches{states}, {} files, {} pending, {} running, {} failed{store}",
        watches.len(),
        sum(|watch| watch.files),
        sum(|watch| watch.pending),
        sum(|watch| watch.running),
        sum(|watch| watch.failed),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::sync::{Arc, Mutex};

    use fsmon_core::{Effect, Input};

    use super::*;
    use crate::engine::testing::{bench, until};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_sign_of_life_comes_from_an_engine_that_hangs() {
        let (release, hang) = mpsc::channel::<()>();
        let (asked, was_asked) = mpsc::channel();
        let bench = bench(move |_, input, effects| {
            let Input::Command(token, command) = input else { return };
            if matches!(*command, Command::Show(_)) {
                let _ = asked.send(());
                // Until the test lets it go on. Then it is gone and hangs no more.
                let _ = hang.recv();
                effects.push(Effect::Answer(token, Ok(Answer::Watches(Vec::new()))));
            }
        });
        let told = Arc::new(Mutex::new(0));
        let tell = {
            let told = told.clone();
            move |_| *told.lock().unwrap() += 1
        };
        let beating = tokio::spawn(beat(bench.handle.clone(), Duration::from_millis(1), tell));
        // The engine holds up a thread of the runtime, which its timers may need: so this one waits by itself.
        was_asked.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(*told.lock().unwrap(), 0, "it has not answered yet");
        drop(release);
        until("it lives again", || *told.lock().unwrap() > 2).await;
        bench.handle.end();
        tokio::time::timeout(Duration::from_secs(10), beating).await.unwrap().unwrap();
    }

    #[test]
    fn it_beats_several_times_before_the_manager_loses_patience() {
        assert_eq!(period(None), USUAL);
        assert_eq!(period(Some(Duration::from_secs(30))), Duration::from_secs(10));
        assert_eq!(period(Some(Duration::from_secs(3600))), USUAL);
        assert!(period(Some(Duration::ZERO)) > Duration::ZERO, "an interval of nothing would panic");
    }

    #[test]
    fn no_watches_and_a_full_disk_are_told() {
        assert_eq!(
            glance(&[], Some("disk full")),
            "0 watches, 0 files, 0 pending, 0 running, 0 failed; nothing can be stored: disk full"
        );
    }
}
