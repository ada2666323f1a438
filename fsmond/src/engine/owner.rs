//! The loop: waits for whatever comes first, takes all that is there in bounded portions, carries out what follows.
//!
//! Every turn serves every door, so none can starve another: answers, then results, then commands, then (where there is
//! room) hints, then the deadline.
//!
//! Where commands are over quickly and the runner has enough to go on with, results gather for a moment: one turn and one
//! transaction for some of them, in place of one for each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::time::Duration;

use fsmon_core::io::{Hint, ListPart};
use fsmon_core::{Effect, Input, Now};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::effects::Outbox;
use super::handle::Request;
use super::load::Full;
use super::{Core, Ended, EngineFailed, Intake, Process};
use crate::edges::{RunnerEdge, StoreEdge, WatchEdge};

/// About how many entries, looks or hints are taken from one door in one turn: some milliseconds of work.
const PORTION: usize = 4096;
/// How many commands are taken in one turn.
const COMMANDS_AT_ONCE: usize = 64;
/// The longest sleep: the timer stands still in suspend, the core's clock does not.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// How soon a store that is behind is asked again whether there is room.
const STORE_RECHECK: Duration = Duration::from_millis(5);
/// How soon it is seen that a watch is stuck and no longer holds up hints.
const STUCK_RECHECK: Duration = Duration::from_millis(500);
/// How long results may gather. What is not stored when the daemon dies is run again, so not for long; but each transaction
/// costs as much processor time as several results in it.
const GATHER: Duration = Duration::from_millis(15);
/// The shortest sleep before a deadline that is in the past although it was just ticked.
const SHORTEST_NAP: Duration = Duration::from_millis(1);

/// Where everything comes in.
pub(super) struct Doors {
    pub intake: Intake,
    pub commands: mpsc::Receiver<Request>,
    pub end: CancellationToken,
    pub store_state: watch::Sender<Option<String>>,
}

/// What ended a wait.
enum Woken {
    End,
    Answer(Input),
    Command(Request),
    Hints(Vec<Hint>),
    Alarm,
}

/// The owner of the core.
pub(super) struct Owner<C, W, S, R> {
    core: C,
    outbox: Outbox<W, S, R>,
    doors: Doors,
    process: Process,
    alarm: Alarm,
    effects: Vec<Effect>,
    /// Until when results gather, where they do.
    gathering: Option<Instant>,
}

impl<C: Core, W: WatchEdge, S: StoreEdge, R: RunnerEdge> Owner<C, W, S, R> {
    /// `first` is carried out before the first input is taken.
    pub fn new(core: C, outbox: Outbox<W, S, R>, doors: Doors, process: Process, first: Vec<Effect>) -> Self {
        Self { core, outbox, doors, process, alarm: Alarm::new(), effects: first, gathering: None }
    }

    /// Runs until it is told to end, or the core panics. Gives the edges back either way.
    pub async fn run(mut self) -> Ended<W, S, R> {
        let now = (self.process.clock)();
        self.outbox.carry_out(&mut self.effects, now.mono);
        loop {
            let woken = self.wait().await;
            let ending = matches!(woken, Woken::End);
            // A panic leaves the core in an unknown state: nothing of this turn is carried out, and there is no other.
            match catch_unwind(AssertUnwindSafe(|| self.turn(woken))) {
                Ok(now) => self.outbox.carry_out(&mut self.effects, now.mono),
                Err(panic) => return (self.outbox.edges, Err(EngineFailed(message_of(panic.as_ref())))),
            }
            if ending {
                return (self.outbox.edges, Ok(()));
            }
            if self.outbox.much_was_stored() {
                (self.process.give_back)();
            }
            if self.more_is_here() {
                // Whoever this turn has woken may need this very thread.
                tokio::task::yield_now().await;
            }
        }
    }

    async fn wait(&mut self) -> Woken {
        let now = (self.process.clock)();
        let full = self.outbox.full(now.mono);
        let cap = match full {
            None => LONGEST_NAP,
            Some(Full::Store) => STORE_RECHECK,
            Some(Full::Looks) => STUCK_RECHECK,
        };
        self.alarm.set(self.core.next_deadline(), now, cap);
        let gathering = self.gathering;
        tokio::select! {
            biased;
            () = self.doors.end.cancelled() => Woken::End,
            Some(input) = self.doors.intake.inbox.recv() => Woken::Answer(input),
            Some(input) = self.doors.intake.results.recv(), if gathering.is_none() => Woken::Answer(input),
            () = sleep_until(gathering.unwrap_or_else(Instant::now)), if gathering.is_some() => {
                self.gathering = None;
                Woken::Alarm
            }
            Some(request) = self.doors.commands.recv() => Woken::Command(request),
            Some(hints) = self.doors.intake.hints.recv(), if full.is_none() => Woken::Hints(hints),
            () = &mut self.alarm.sleep => Woken::Alarm,
        }
    }

    /// One turn: all inputs, their effects collected.
    fn turn(&mut self, woken: Woken) -> Now {
        let now = (self.process.clock)();
        self.effects.clear();
        let mut hints_taken = 0;
        let mut answers_taken = 0;
        let mut results = matches!(&woken, Woken::Answer(Input::RunEnded(_)));
        match woken {
            Woken::End | Woken::Alarm => {}
            Woken::Answer(input) => answers_taken = self.answer(now, input),
            Woken::Command(request) => self.command(now, request),
            Woken::Hints(hints) => hints_taken = self.hints(now, hints),
        }
        while answers_taken < PORTION
            && let Ok(input) = self.doors.intake.inbox.try_recv()
        {
            answers_taken += self.answer(now, input);
        }
        while answers_taken < PORTION
            && let Ok(input) = self.doors.intake.results.try_recv()
        {
            answers_taken += self.answer(now, input);
            results = true;
        }
        if results {
            self.gathering = self.core.results_may_gather().then(|| Instant::now() + GATHER);
        }
        for _ in 0..COMMANDS_AT_ONCE {
            let Ok(request) = self.doors.commands.try_recv() else { break };
            self.command(now, request);
        }
        while hints_taken < PORTION
            && self.outbox.full(now.mono).is_none()
            && let Ok(hints) = self.doors.intake.hints.try_recv()
        {
            hints_taken += self.hints(now, hints);
        }
        if self.core.next_deadline().is_some_and(|due| due <= now.mono) {
            self.core.step(now, Input::Tick, &mut self.effects);
        }
        now
    }

    fn answer(&mut self, now: Now, input: Input) -> usize {
        self.outbox.load.answered(&input, now.mono);
        if let Input::StoreState(state) = &input {
            self.doors.store_state.send_replace(state.clone());
        }
        let weight = weight_of(&input);
        self.core.step(now, input, &mut self.effects);
        weight
    }

    fn command(&mut self, now: Now, request: Request) {
        let token = self.outbox.wait_for(request.reply);
        self.core.step(now, Input::Command(token, request.command), &mut self.effects);
    }

    fn hints(&mut self, now: Now, hints: Vec<Hint>) -> usize {
        let weight = hints.len().max(1);
        self.core.step(now, Input::Hints(hints), &mut self.effects);
        weight
    }

    fn more_is_here(&self) -> bool {
        let intake = &self.doors.intake;
        let results = self.gathering.is_none() && !intake.results.is_empty();
        !intake.inbox.is_empty() || results || !self.doors.commands.is_empty() || !intake.hints.is_empty()
    }
}

/// About how much work an input is, in entries.
fn weight_of(input: &Input) -> usize {
    let entries = match input {
        Input::Listed(parts) => parts
            .iter()
            .map(|listing| match &listing.part {
                ListPart::Entries(entries) => entries.len(),
                ListPart::Ignores(_) | ListPart::Done { .. } | ListPart::Failed(_) => 1,
            })
            .sum(),
        Input::Looked(answers) => answers.iter().map(|answer| answer.result.as_ref().map_or(1, Vec::len)).sum(),
        Input::Stored(acks) => acks.len(),
        _ => 1,
    };
    entries.max(1)
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "the core panicked".into())
}

/// The one timer. It is only set anew when the deadline is another one, since most turns do not move it.
struct Alarm {
    sleep: Pin<Box<Sleep>>,
    set_for: Option<(Option<u64>, Duration)>,
}

impl Alarm {
    fn new() -> Self {
        Self { sleep: Box::pin(sleep_until(Instant::now())), set_for: None }
    }

    fn set(&mut self, deadline: Option<u64>, now: Now, cap: Duration) {
        if self.set_for == Some((deadline, cap)) && !self.sleep.is_elapsed() {
            return;
        }
        self.set_for = Some((deadline, cap));
        self.sleep.as_mut().reset(Instant::now() + nap(deadline, now.mono, cap));
    }
}

/// How long to sleep. A deadline that is still in the past after its tick does not make the loop spin.
pub(super) fn nap(deadline: Option<u64>, now: u64, cap: Duration) -> Duration {
    deadline.map_or(cap, |due| Duration::from_nanos(due.saturating_sub(now)).clamp(SHORTEST_NAP, cap))
}
