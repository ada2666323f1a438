//! Opening the database file: refusing what must not be touched, setting aside what is damaged, making a fresh one.
//!
//! Nothing is ever deleted or overwritten here but leftovers of our own unfinished making. A fresh database is made
//! complete under another name and then renamed, so that a file of the right name is never half made: an empty one is
//! always damage.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fsmon_protocol::units::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::{StoreError, is_busy};
use super::numbers::Numbers;
use super::schema;

/// Name of the database in the state folder.
pub(super) const NAME: &str = "fsmond.db";

/// What SQLite keeps beside a database, by the end of its name.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// An open database that has been checked.
pub(super) struct Database {
    pub(super) conn: Connection,
    pub(super) numbers: Numbers,
    pub(super) clean: bool,
}

/// What opening came to.
pub(super) struct Found {
    pub(super) database: Database,
    /// Whether the database was made just now.
    pub(super) fresh: bool,
    /// Where a damaged one was put.
    pub(super) set_aside: Option<PathBuf>,
    pub(super) notices: Vec<String>,
}

/// Opens the database of a state folder, whatever state it is in.
pub(super) fn open(state: &Path) -> Result<Found, StoreError> {
    let path = state.join(NAME);
    remove_unfinished(state)?;
    match fs::symlink_metadata(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if companions(&path).any(|c| fs::symlink_metadata(c).is_ok()) {
                return begin_anew(state, "it is missing, although its write-ahead log is there");
            }
            create(state, 1, 1)?;
            let database = open_existing(&path)?;
            Ok(Found { database, fresh: true, set_aside: None, notices: Vec::new() })
        }
        Err(e) => Err(StoreError::io("look at", &path)(e)),
        Ok(there) if !there.is_file() => {
            let why = "is not a regular file: move it away, fsmond follows no link for its database".into();
            Err(StoreError::Refused { path, why })
        }
        Ok(_) => match open_existing(&path) {
            Err(StoreError::Damaged(why)) => begin_anew(state, &why),
            Err(StoreError::Sqlite(e)) if is_busy(&e) => Err(StoreError::Busy(path)),
            other => Ok(Found { database: other?, fresh: false, set_aside: None, notices: Vec::new() }),
        },
    }
}

/// Sets the damaged database aside and begins a fresh one.
pub(super) fn begin_anew(state: &Path, why: &str) -> Result<Found, StoreError> {
    let path = state.join(NAME);
    let aside = set_aside(state, &path)?;
    // What numbers were used is not known any more. Counting goes on from the clock, in steps that no daemon reaches:
    // a million records and a thousand runs for every second since 1970.
    let seconds = u64::try_from(Timestamp::now().0 / 1_000_000_000).unwrap_or(0);
    create(state, seconds << 20, seconds << 10)?;
    let notice = format!(
        "the database {} is damaged ({why}): it was set aside as {} and a fresh one was begun; the history is gone \
         from here, and what was processed is not known",
        path.display(),
        aside.display()
    );
    Ok(Found { database: open_existing(&path)?, fresh: true, set_aside: Some(aside), notices: vec![notice] })
}

/// Opens a file that is there and checks it.
fn open_existing(path: &Path) -> Result<Database, StoreError> {
    check_header(path)?;
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW,
    )?;
    conn.busy_timeout(std::time::Duration::from_secs(1))?;
    // Until we know that it is ours, closing it again must leave its write-ahead log where it is.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    schema::configure(&conn)?;
    let found = schema::version(&conn)?;
    if found > schema::VERSION {
        return Err(StoreError::Newer { path: path.into(), found, known: schema::VERSION });
    }
    let clean = schema::meta(&conn, "clean")? == Some(1);
    if !clean {
        quick_check(&conn)?;
    }
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let why = format!("has the journal mode '{mode}' and cannot be given a write-ahead log");
        return Err(StoreError::Refused { path: path.into(), why });
    }
    if found < schema::VERSION {
        schema::migrate(&conn)?;
        // An older fsmond reads the version from the file itself, to leave a newer one untouched.
        checkpoint(&conn)?;
    }
    let (numbers, clean) = Numbers::take(&conn)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(Database { conn, numbers, clean })
}

/// Looks at the first 100 bytes without SQLite, which would begin to recover what it opens.
fn check_header(path: &Path) -> Result<(), StoreError> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0))
        .open(path)
        .map_err(StoreError::io("open", path))?;
    let mut header = [0_u8; 100];
    match file.read_exact(&mut header) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(StoreError::Damaged("it is shorter than its header".into()));
        }
        other => other.map_err(StoreError::io("read", path))?,
    }
    // https://www.sqlite.org/fileformat.html: the magic, the user version at 60, the application id at 68.
    let number = |at: usize| i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if !header.starts_with(b"SQLite format 3\0") || number(68) != schema::APPLICATION {
        return Err(StoreError::Damaged("its header is not that of a database of fsmond".into()));
    }
    let found = i64::from(number(60));
    if found > schema::VERSION {
        return Err(StoreError::Newer { path: path.into(), found, known: schema::VERSION });
    }
    // Page size, write and read version (both write-ahead log), reserved bytes and fractions never vary in ours. A wrong
    // version here would make SQLite treat the file as one that it may only read.
    if header[16..24] != [0x10, 0, 2, 2, 0, 64, 32, 32] {
        return Err(StoreError::Damaged("its header has another page size or format".into()));
    }
    if found < 1 {
        return Err(StoreError::Damaged(format!("its version is {found}")));
    }
    Ok(())
}

/// After an unclean stop: whether the structure holds.
fn quick_check(conn: &Connection) -> Result<(), StoreError> {
    let said: String = conn.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if said == "ok" { Ok(()) } else { Err(StoreError::Damaged(said.replace('\n', " "))) }
}

/// Moves the write-ahead log into the database and empties it.
pub(super) fn checkpoint(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
}

/// Makes a database that is complete and durable when it gets its name.
fn create(state: &Path, next_seq: u64, next_run: u64) -> Result<(), StoreError> {
    let path = state.join(NAME);
    let unfinished = state.join(format!("{NAME}.new"));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(StoreError::io("make", &unfinished))?;
    let conn = Connection::open_with_flags(
        &unfinished,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW,
    )?;
    // Nothing reads this file before it is synced and renamed below, so nothing has to be in order until then.
    conn.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;",
    )?;
    conn.pragma_update(None, "application_id", schema::APPLICATION)?;
    schema::migrate(&conn)?;
    Numbers::begin(&conn, next_seq, next_run)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    conn.close().map_err(|(_, e)| e)?;
    File::open(&unfinished).and_then(|f| f.sync_all()).map_err(StoreError::io("sync", &unfinished))?;
    fs::rename(&unfinished, &path).map_err(StoreError::io("rename", &unfinished))?;
    sync_folder(state)
}

/// Leftovers of a making that was interrupted.
fn remove_unfinished(state: &Path) -> Result<(), StoreError> {
    let unfinished = state.join(format!("{NAME}.new"));
    for path in companions(&unfinished).chain([unfinished.clone()]) {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(StoreError::io("remove", &path)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// Renames the database and what belongs to it, and gives its new name. The database goes first: should we be ended in
/// between, a log alone is seen as what it is, while a database without its log would look whole and be old.
fn set_aside(state: &Path, path: &Path) -> Result<PathBuf, StoreError> {
    let seconds = Timestamp::now().to_string();
    let seconds = seconds.split('.').next().unwrap_or_default().replace([':', '-'], "");
    let mut to = state.join(format!("{NAME}.damaged-{seconds}Z"));
    for n in 2.. {
        if companions(&to).chain([to.clone()]).all(|p| fs::symlink_metadata(p).is_err()) {
            break;
        }
        to = state.join(format!("{NAME}.damaged-{seconds}Z-{n}"));
    }
    for (from, to) in [(path.to_path_buf(), to.clone())].into_iter().chain(companions(path).zip(companions(&to))) {
        match fs::rename(&from, &to) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(StoreError::io("rename", &from)(e)),
            _ => {}
        }
    }
    sync_folder(state)?;
    Ok(to)
}

fn companions(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let path = path.to_path_buf();
    COMPANIONS.into_iter().map(move |end| {
        let mut name = path.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    })
}

/// Makes renames in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(StoreError::io("sync the folder", folder))
}
