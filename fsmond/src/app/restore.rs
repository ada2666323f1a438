//! From the store to the machine: every defined watch with its ledger, brought up to the last journal record.

use std::collections::BTreeMap;
use std::time::Duration;

use fsmon_core::io::{Held, RunRow, StoreOp, WatchId, WatchRow};
use fsmon_core::{Effect, Machine, Now, Numbers};
use fsmon_protocol::RawPath;
use fsmon_protocol::status::DefinedBy;
use tracing::{error, info, warn};

use super::define::{self, Defined};
use super::failure::{Failure, sentence};
use super::setup::{Setup, settings_of};
use crate::edges::Inbox;
use crate::host::clock;
use crate::rpc::look_at;
use crate::store::{Opened, Store, StoreError, StoreOptions};

/// Everything that was remembered.
pub struct Restored {
    /// The machine, not yet started.
    pub machine: Machine,
    /// The store, not yet started.
    pub store: Store,
    /// Runs of which nobody knows how they ended.
    pub lost: Vec<RunRow>,
    /// What has to be stored first.
    pub first: Vec<Effect>,
    /// Watches that are defined and were not known.
    pub new: Vec<Defined>,
    /// The first free journal number.
    pub next_seq: u64,
    /// Whether the last fsmond ended cleanly.
    pub clean: bool,
}

/// What was loaded from one database.
struct Loaded {
    machine: Machine,
    lost: Vec<RunRow>,
    first: Vec<Effect>,
    new: Vec<Defined>,
}

/// Why loading stopped.
enum Stopped {
    Store(StoreError),
    Other(Failure),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Opens the store and loads all of it. A database whose damage only shows while it is read is set aside as well.
pub fn restore(setup: &Setup, inbox: Inbox) -> Result<Restored, Failure> {
    let defined = define::all(&setup.state, &setup.config.watches)?;
    let mut opened = Store::open(&setup.state, inbox, store_options(setup)).map_err(Failure::of)?;
    say(&opened);
    let loaded = match load(setup, &opened, &defined) {
        Err(Stopped::Store(StoreError::Damaged(why))) => {
            opened = opened.store.start_over(&why).map_err(Failure::of)?;
            say(&opened);
            load(setup, &opened, &defined)
        }
        other => other,
    };
    let Loaded { machine, lost, first, new } = loaded.map_err(|stopped| match stopped {
        Stopped::Store(error) => Failure::of(error),
        Stopped::Other(failure) => failure,
    })?;
    info!(
        clean = opened.clean,
        fresh = opened.fresh,
        watches = defined.len(),
        next_seq = opened.next_seq,
        "state loaded"
    );
    let (clean, next_seq) = (opened.clean, opened.next_seq);
    Ok(Restored { machine, store: opened.store, lost, first, new, next_seq, clean })
}

fn say(opened: &Opened) {
    for notice in &opened.notices {
        error!("{notice}");
    }
}

fn store_options(setup: &Setup) -> StoreOptions {
    let (daemon, usual) = (&setup.config.daemon, StoreOptions::default());
    StoreOptions {
        keep: daemon.retention_days.map_or(usual.keep, |days| Duration::from_secs(u64::from(days) * 86_400)),
        keep_bytes: daemon.retention_size.map_or(usual.keep_bytes, |size| size.0),
    }
}

fn load(setup: &Setup, opened: &Opened, defined: &[Defined]) -> Result<Loaded, Stopped> {
    let now = clock::now();
    let numbers = Numbers { seq: opened.next_seq, run: opened.next_run, watch: opened.next_watch };
    // Only for jitter: two daemons that start together should not try again together.
    let seed = now.mono ^ now.wall.0.cast_unsigned() ^ u64::from(std::process::id());
    let mut machine = Machine::new(settings_of(&setup.config), numbers, seed);
    let mut first = Vec::new();
    let mut new: Vec<Defined> = defined.to_vec();
    let mut upto = None;
    // Watches that nothing defines any more, and whether the journal has what their ledger does not hold.
    let mut gone = BTreeMap::new();
    // The newest first: should there be two of one name and path, the older one was detached long ago.
    for row in opened.watches.iter().rev() {
        let of_row = |d: &Defined| *d.spec.name == *row.name && RawPath::from(d.spec.path.as_str()) == row.path;
        let detached = opened.detached.get(&row.id);
        if let Some(at) = new.iter().position(of_row) {
            load_watch(&mut machine, &opened.store, row.clone(), new.remove(at))?;
            if let Some(&since) = detached {
                machine.returns(row.id, since);
            }
        } else if detached.is_none() {
            gone.insert(row.id, (row, false));
        } else {
            continue;
        }
        upto = Some(upto.map_or(row.upto, |least: u64| least.min(row.upto)));
    }
    opened.store.open_gaps()?.into_iter().for_each(|gap| machine.restore_gap(gap));
    if let Some(upto) = upto {
        opened.store.replay(upto, |record| {
            machine.replay(now, &record);
            if let Some((row, behind)) = record.watch.and_then(|id| gone.get_mut(&id)) {
                *behind |= record.record.seq > row.upto;
            }
        })?;
    }
    for (row, behind) in gone.into_values() {
        warn!(watch = &*row.name, "no longer defined: it is detached, its ledger is kept for 7 days");
        machine.detach_stored(now, row, behind, &mut first);
    }
    if opened.set_aside.is_some() {
        let ids = opened.next_watch..;
        for (defined, id) in std::mem::take(&mut new).into_iter().zip(ids) {
            hold_after_damage(&mut machine, now, WatchId(id), defined, &mut first)?;
        }
    }
    let lost = opened.store.unfinished_runs()?;
    Ok(Loaded { machine, lost, first, new })
}

/// One watch with its ledger.
fn load_watch(machine: &mut Machine, store: &Store, mut row: WatchRow, defined: Defined) -> Result<(), Stopped> {
    let (id, name) = (row.id, row.name.clone());
    row.defined_by = defined.by;
    add(machine, row, defined)?;
    let mut odd = 0_u32;
    store.load_nodes(id, |node| odd += u32::from(!machine.restore(id, node)))?;
    odd += machine.restored(id);
    for (place, text) in store.load_ignores(id)? {
        machine.restore_ignores(id, place, &text);
    }
    if odd > 0 {
        warn!(watch = &*name, rows = odd, "rows of the ledger made no sense; the first scan finds their files");
    }
    Ok(())
}

fn add(machine: &mut Machine, row: WatchRow, defined: Defined) -> Result<(), Stopped> {
    let (name, place) = (
        row.name.clone(),
        match defined.by {
            DefinedBy::Config => "the config file",
            DefinedBy::Runtime => "watches.toml in the state folder",
        },
    );
    machine.add_stored(row, defined.spec).map_err(|error| {
        let text = format!("watch '{name}' cannot be taken: {}; correct it in {place}", sentence(&error));
        Stopped::Other(Failure::new(text))
    })
}

/// What was processed is not known any more: nothing of the watch runs until a person has decided.
fn hold_after_damage(
    machine: &mut Machine,
    now: Now,
    id: WatchId,
    defined: Defined,
    first: &mut Vec<Effect>,
) -> Result<(), Stopped> {
    let Defined { spec, .. } = &defined;
    let why = format!(
        "the database was damaged, so it is not known any more which files were processed; nothing is told or run until \
         you decide: `fsmonctl resume {name}` processes all of them, `fsmonctl accept {name}` takes what is there as done",
        name = spec.name
    );
    error!("watch '{}' is held: {why}", spec.name);
    let row = WatchRow {
        id,
        name: spec.name.as_str().into(),
        path: RawPath::from(spec.path.as_str()),
        defined_by: defined.by,
        only: look_at(&spec.path, true).ok().and_then(|place| place.only),
        added: now.wall,
        // Whatever the first scan finds is then new, and pending.
        baseline_done: true,
        paused: false,
        held: Some(Held { why, until_root: false }),
        last_due: now.wall,
        owed: None,
        root: None,
        upto: 0,
        accepting: false,
        keep_runs: None,
    };
    first.push(Effect::Store(StoreOp::Watch(Box::new(row.clone())), None));
    add(machine, row, defined)
}
