//! One worker: started, given lines, heard, ended, started again. Its task is the only one that knows it.
//!
//! 1. It is started with its stdin, stdout and stderr as pipes, and with `/` as its folder, so that it keeps no mount busy.
//! 2. It has at most `--in-flight` files at a time. A line is written as far as the pipe takes it; one that does not read
//!    is waited for by nobody but its own time-outs.
//! 3. A time-out, a line that is no answer, or its end fails what it had. What is left of its process group is ended before
//!    that is told, so that no file is worked on twice at once. It is started again after 1 s, doubled up to 60 s.
//! 4. It is ended by closing its stdin. After the grace it gets TERM, after another one KILL.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use fsmon_core::io::{RunEnded, RunId, SpawnRequest};
use fsmon_core::template::{self, Values};
use fsmon_protocol::run::Outcome;
use futures::FutureExt;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::launch::{Ends, Launch, no_pipe};
use super::leader::Leader;
use super::life::{by_itself, until};
use super::run_as::Account;
use super::stdin::worker_line;
use super::workers::{Pool, Wish, without_output};
use super::{AFTER_KILL, Shared, environment, stragglers, trust};
use ending::{Cause, Ending};
use lines::{Answered, Lines};
use said::{Counts, Said};

mod ending;
mod lines;
mod said;

/// The first pause before it is started again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How much is read at once.
const CHUNK: usize = 64 * 1024;
/// How often it is read after it has ended: more than the largest pipe an ordinary user can make holds.
const MOST_READS_AT_END: u32 = 64;

/// A file that it has.
struct Flight {
    run: RunId,
    since: Instant,
    said: Counts,
}

/// A worker that is up.
struct Worker<'a> {
    pool: &'a Pool,
    shared: &'a Shared,
    number: u32,
    leader: Leader,
    stdin: Option<Sender>,
    /// Lines that are not written in full, and how much of them is.
    out: Vec<u8>,
    written: usize,
    answers: Receiver,
    /// Nobody can write answers any more.
    silent: bool,
    lines: Lines,
    said: Said,
    /// What it has, the oldest first.
    flights: VecDeque<Flight>,
    ending: Option<Ending>,
    /// It has answered something, so it is of use.
    useful: bool,
}

/// Keeps one worker of the pool going until that is not wanted any more.
pub(super) async fn keep(pool: Arc<Pool>, shared: Arc<Shared>, number: u32) {
    let mut wish = pool.wish.subscribe();
    let mut failures = 0_u32;
    let mut again = false;
    while *wish.borrow_and_update() == Wish::Serve {
        let life = AssertUnwindSafe(live(&pool, &shared, number, again, &mut wish)).catch_unwind();
        let (was_up, useful, why) =
            Box::pin(life).await.unwrap_or_else(|_panic| (true, false, "a bug in fsmond".into()));
        pool.answer_for(&shared, number).await;
        pool.down(&shared, was_up, format!("worker {number}: {why}")).await;
        again = true;
        let pause = FIRST_PAUSE.saturating_mul(1 << failures).min(LONGEST_PAUSE);
        failures = if useful { 0 } else { (failures + 1).min(6) };
        tokio::select! {
            () = sleep(pause) => {}
            _ = wish.wait_for(|wish| *wish != Wish::Serve) => {}
        }
    }
    pool.take_back(&shared).await;
}

/// One life of it: whether it was up, whether it was of use, and why it ended.
async fn live(
    pool: &Pool,
    shared: &Arc<Shared>,
    number: u32,
    again: bool,
    wish: &mut watch::Receiver<Wish>,
) -> (bool, bool, String) {
    let (request, of) = (pool.request.clone(), Arc::clone(shared));
    // Loading a program can take as long as its file system likes: not on the runtime's own threads.
    let started = tokio::task::spawn_blocking(move || start(&request, &of, number)).await;
    let started = started.unwrap_or_else(|error| Err(format!("starting it failed within fsmond: {error}")));
    let (leader, stdin, answers, said) = match started {
        Ok(started) => started,
        Err(why) => return (false, false, why),
    };
    let mut worker = Worker {
        pool,
        shared,
        number,
        leader,
        stdin: Some(stdin),
        out: Vec::new(),
        written: 0,
        answers,
        silent: false,
        lines: Lines::default(),
        said,
        flights: VecDeque::new(),
        ending: None,
        useful: false,
    };
    pool.up(shared, again).await;
    let exited = worker.serve(wish).await;
    let useful = worker.useful;
    (true, useful, worker.finish(exited).await)
}

/// Starts it; blocks.
fn start(
    request: &fsmon_core::io::WorkersRequest,
    shared: &Shared,
    number: u32,
) -> Result<(Leader, Sender, Receiver, Said), String> {
    let values = Values {
        root: request.root.as_bytes(),
        rel: b"",
        old_path: None,
        event: "",
        trigger: "",
        watch: &request.watch_name,
        opened: "",
    };
    let argv: Vec<OsString> = template::expand(&request.rules.command, &values, false);
    let account = request.rules.run_as.as_deref().map(Account::find).transpose()?;
    let environment = environment::of_worker(&shared.base, request, number, account.as_ref());
    let folder = environment::folder(&request.rules, request.root.as_path());
    let mut pipes = None;
    let rules = &request.rules;
    let (environment, account) = (&environment, account.as_ref());
    let launch = Launch { argv: &argv, folder, environment, account, rules, handed: None, vouched: &shared.vouched };
    let leader = launch.start(|| {
        let (stdin, lines) = io::pipe().map_err(no_pipe)?;
        let (answers, stdout) = io::pipe().map_err(no_pipe)?;
        let (said, stderr) = io::pipe().map_err(no_pipe)?;
        let lines = Sender::from_owned_fd(OwnedFd::from(lines)).map_err(no_pipe)?;
        let answers = Receiver::from_owned_fd(OwnedFd::from(answers)).map_err(no_pipe)?;
        let (folder, cap) = (shared.options.output_dir.clone(), rules.output_max.0);
        let said = Said::new(OwnedFd::from(said), folder, cap).map_err(no_pipe)?;
        pipes = Some((lines, answers, said));
        Ok(Ends { stdin: Stdio::from(stdin), stdout, stderr })
    })?;
    let (lines, answers, said) = pipes.ok_or("it was started without pipes")?;
    Ok((leader, lines, answers, said))
}

impl Worker<'_> {
    /// Until it has exited; false where it is given up.
    async fn serve(&mut self, wish: &mut watch::Receiver<Wish>) -> bool {
        loop {
            self.follow(*wish.borrow_and_update());
            let room = self.room();
            if room > 0 {
                self.take(room).await;
            }
            if self.ending.is_some() && self.out.is_empty() {
                self.stdin = None;
            }
            let (next, free) = (self.next(), self.room() > 0);
            tokio::select! {
                biased;
                () = self.leader.exited() => return true,
                Ok(()) = wish.changed() => {}
                () = until(next) => if !self.on_time() { return false },
                gone = write(self.stdin.as_ref(), &self.out, &mut self.written) => self.wrote(gone),
                () = readable(&self.answers, self.silent) => { self.hear().await; }
                () = self.said.readable() => { self.listen().await; }
                () = self.pool.news.notified(), if free => {}
            }
        }
    }

    /// For how many more files it has room.
    fn room(&self) -> usize {
        let most = usize::try_from(self.pool.request.rules.in_flight).unwrap_or(usize::MAX);
        if self.ending.is_some() || self.stdin.is_none() { 0 } else { most.saturating_sub(self.flights.len()) }
    }

    /// Takes lines from the queue.
    async fn take(&mut self, room: usize) {
        let taken = self.pool.take(self.number, room);
        if taken.is_empty() {
            return;
        }
        let taken = if trust::matters() && self.pool.request.rules.run_as.is_none() {
            self.trusted(taken).await
        } else {
            taken
        };
        for request in taken {
            self.out.extend(worker_line(&request));
            self.flights.push_back(Flight { run: request.run, since: Instant::now(), said: Counts::default() });
        }
    }

    /// Those of them where nobody else could put something else in the place of the file; the others are told.
    async fn trusted(&self, taken: Vec<SpawnRequest>) -> Vec<SpawnRequest> {
        let root = self.pool.request.root.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let mut root = trust::Trusted::root(root.as_path());
            let mut check = |request: &SpawnRequest| match &mut root {
                Ok(root) => root.check(request.rel.as_path()),
                Err(why) => Err(why.clone()),
            };
            taken.into_iter().map(|request| (check(&request), request)).collect::<Vec<_>>()
        });
        let mut trusted = Vec::new();
        // What is lost by a panic in there is answered when this worker has ended.
        for (checked, request) in checked.await.unwrap_or_default() {
            match checked {
                Ok(()) => trusted.push(request),
                Err(why) => self.pool.ended(self.shared, without_output(request.run, Outcome::NotStarted(why))).await,
            }
        }
        trusted
    }

    /// Something was written, or its stdin is closed.
    fn wrote(&mut self, closed: bool) {
        if closed {
            self.stdin = None;
            self.closed("it closed its stdin");
        }
        if closed || self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
    }

    /// Takes answers; false where there was nothing to read.
    async fn hear(&mut self) -> bool {
        // What it said before it answered is about what it answers.
        self.listen().await;
        self.lines.buffer.reserve(CHUNK);
        let mut heard = false;
        match self.answers.try_read_buf(&mut self.lines.buffer) {
            Ok(0) => {
                self.silent = true;
                self.closed("it closed its stdout");
            }
            Ok(_) => heard = true,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => {
                self.silent = true;
                self.closed(&format!("it cannot be read: {error}"));
            }
        }
        while let Some(line) = self.lines.next() {
            match line {
                Ok(answered) => self.answered(answered).await,
                Err(why) => self.refuse(why),
            }
            if self.silent {
                break;
            }
        }
        heard
    }

    async fn answered(&mut self, Answered { run, answer, message }: Answered) {
        let Some(at) = self.flights.iter().position(|flight| flight.run == run) else {
            self.refuse(format!("it answered for run {run}, which it does not have"));
            return;
        };
        if let Some(flight) = self.flights.remove(at) {
            self.useful = true;
            self.end(flight, Outcome::Answered(answer, message)).await;
        }
    }

    async fn end(&self, flight: Flight, outcome: Outcome) {
        let ms = u64::try_from(flight.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Counts { kept, dropped } = flight.said;
        let ended = RunEnded { run: flight.run, outcome, ms, output_bytes: kept, output_dropped: dropped };
        self.pool.ended(self.shared, ended).await;
    }

    /// Takes what it says.
    async fn listen(&mut self) -> bool {
        let oldest = self.flights.front_mut().map(|flight| (flight.run, &mut flight.said));
        self.said.take(&self.pool.request.watch_name, self.number, oldest).await
    }

    /// It has ended, or is given up: what is left of it is ended, then what it had is told. Gives why it ended.
    async fn finish(mut self, exited: bool) -> String {
        let why = if exited { self.bury().await } else { "it cannot be killed, and is left behind".to_owned() };
        let (cause, termed) = self.ending.take().map_or((None, false), |ending| (Some(ending.cause), ending.termed));
        let why = match &cause {
            Some(Cause::TimedOut(_)) => "it took longer than the timeout".to_owned(),
            Some(Cause::Broke(broke)) => broke.clone(),
            Some(Cause::Closed(closed)) if termed => closed.clone(),
            _ => why,
        };
        for flight in std::mem::take(&mut self.flights) {
            let outcome = match &cause {
                Some(Cause::TimedOut(runs)) if runs.contains(&flight.run) => Outcome::TimedOut,
                Some(Cause::TimedOut(_) | Cause::Wanted) => Outcome::Interrupted,
                Some(Cause::Broke(_) | Cause::Closed(_)) | None => Outcome::WorkerFailed(why.clone()),
            };
            self.end(flight, outcome).await;
        }
        why
    }

    /// Reads the rest of what it wrote and ends what is left of its group.
    async fn bury(&mut self) -> String {
        for _ in 0..MOST_READS_AT_END {
            let said = self.listen().await;
            let heard = !self.silent && self.hear().await;
            if !said && !heard {
                break;
            }
        }
        self.leader.ask_group_to_end();
        let group = self.leader.group();
        let status = by_itself(self.leader.reap());
        if stragglers::group_may_live(group) {
            let kill_at = Instant::now() + self.pool.request.rules.grace.0;
            if !stragglers::end(group, || kill_at).await {
                debug!(group = group.as_raw_nonzero(), "processes of a worker are left that cannot be killed");
            }
        }
        status.to_string()
    }
}

/// Writes what the pipe takes. True where nobody reads any more.
async fn write(stdin: Option<&Sender>, out: &[u8], written: &mut usize) -> bool {
    let Some(stdin) = stdin.filter(|_| *written < out.len()) else { return std::future::pending().await };
    if stdin.writable().await.is_err() {
        return true;
    }
    match stdin.try_write(&out[*written..]) {
        Ok(n) => *written += n,
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
        Err(_nobody_reads) => return true,
    }
    false
}

/// Waits until there is something to read; for ever once nobody can write any more.
async fn readable(pipe: &Receiver, silent: bool) {
    if silent {
        return std::future::pending().await;
    }
    // An error is met again, and dealt with, when the pipe is read.
    let _ = pipe.readable().await;
}
