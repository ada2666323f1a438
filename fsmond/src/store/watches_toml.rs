//! `watches.toml`: the watches that were made at run time, in the format of the config file's `[[watch]]`.
//!
//! It stands beside the database so that a damaged database never loses them. It is replaced as a whole, by a rename,
//! so that a reader and a crash find the old one or the new one and nothing between.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fsmon_protocol::RawPath;
use fsmon_protocol::spec::{Options, WatchSpec};
use rustix::fs::OFlags;
use serde::de::value::StringDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use toml::Spanned;

/// Name of the file in the state folder.
const NAME: &str = "watches.toml";

const PREFACE: &str = "# The watches that were made with fsmonctl. fsmond rewrites this file whenever one changes.\n";

/// Why the file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WatchesError {
    /// The system said no.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its content is wrong.
    #[error("{}:{line}: {why}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A spec cannot be written as TOML.
    #[error("cannot write watch '{name}' as TOML: {source}")]
    Encode {
        /// Which watch.
        name: String,
        /// Why not.
        source: toml::ser::Error,
    },
}

impl WatchesError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { what, path, source }
    }

    /// Whether nothing that is written from now on may be believed: a sync failed, and not for want of space.
    pub(super) fn is_fatal(&self) -> bool {
        match self {
            Self::Io { what, source, .. } => {
                what.starts_with("sync")
                    && !matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Content { .. } => false,
            Self::Encode { .. } => true,
        }
    }
}

/// Reads the watches of a state folder. None at all where there is no file.
pub fn read_watches(state: &Path) -> Result<Vec<WatchSpec>, WatchesError> {
    let path = state.join(NAME);
    let mut text = String::new();
    let opened = OpenOptions::new().read(true).custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK)).open(&path);
    match opened {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(WatchesError::io("open", &path)(e)),
        Ok(mut file) => file.read_to_string(&mut text).map_err(WatchesError::io("read", &path))?,
    };
    parse_watches(&path, &text)
}

/// Reads `[[watch]]` entries from `text`; `path` is only named in errors.
pub fn parse_watches(path: &Path, text: &str) -> Result<Vec<WatchSpec>, WatchesError> {
    let wrong = |at: usize, why: String| {
        let line = text.bytes().take(at).filter(|b| *b == b'\n').count() + 1;
        WatchesError::Content { path: path.into(), line, why }
    };
    let file: Entries =
        toml::from_str(text).map_err(|e| wrong(e.span().map_or(0, |s| s.start), e.message().replace('\n', " ")))?;
    let mut specs: Vec<WatchSpec> = Vec::with_capacity(file.watch.len());
    for entry in file.watch {
        let at = entry.span().start;
        let spec = entry.into_inner().0;
        fsmon_protocol::spec::check_name(&spec.name).map_err(|e| wrong(at, e.message))?;
        if !spec.path.starts_with('/') {
            let shown = RawPath::from(&*spec.path);
            return Err(wrong(at, format!("the path '{shown}' of watch '{}' is not absolute", spec.name)));
        }
        if specs.iter().any(|s| s.name == spec.name) {
            return Err(wrong(at, format!("two watches have the name '{}'", spec.name)));
        }
        specs.push(spec);
    }
    Ok(specs)
}

/// Replaces the file by these watches, durably.
pub(super) fn write(state: &Path, specs: &[WatchSpec]) -> Result<(), WatchesError> {
    let text = encode(specs)?;
    let path = state.join(NAME);
    let unfinished = state.join(".watches.toml.new");
    match fs::remove_file(&unfinished) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(WatchesError::io("remove", &unfinished)(e)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(flags(OFlags::NOFOLLOW))
        .open(&unfinished)
        .map_err(WatchesError::io("make", &unfinished))?;
    file.write_all(text.as_bytes()).map_err(WatchesError::io("write", &unfinished))?;
    file.sync_all().map_err(WatchesError::io("sync", &unfinished))?;
    fs::rename(&unfinished, &path).map_err(WatchesError::io("rename", &unfinished))?;
    File::open(state).and_then(|f| f.sync_all()).map_err(WatchesError::io("sync the folder", state))
}

fn encode(specs: &[WatchSpec]) -> Result<String, WatchesError> {
    let mut text = String::from(PREFACE);
    for spec in specs {
        let options = toml::to_string(&spec.options)
            .map_err(|source| WatchesError::Encode { name: spec.name.clone(), source })?;
        // By hand, so that name and path stand first.
        let quoted = |value: &str| toml::Value::String(value.into()).to_string();
        text.extend(["\n[[watch]]\nname = ", &quoted(&spec.name), "\npath = ", &quoted(&spec.path), "\n", &options]);
    }
    Ok(text)
}

fn flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or(0)
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries {
    #[serde(default)]
    watch: Vec<Spanned<Entry>>,
}

/// One `[[watch]]`: name, path and options in one table. serde's own `flatten` would let unknown keys pass and lose
/// their lines.
struct Entry(WatchSpec);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = Entry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a watch")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
                let (mut name, mut path) = (None, None);
                let rest = Rest { map, name: &mut name, path: &mut path };
                let options = Options::deserialize(MapAccessDeserializer::new(rest))?;
                let name = name.ok_or_else(|| A::Error::missing_field("name"))?;
                let path = path.ok_or_else(|| A::Error::missing_field("path"))?;
                Ok(Entry(WatchSpec { name, path, options }))
            }
        }
        deserializer.deserialize_map(Table)
    }
}

/// A table whose `name` and `path` are taken out on the way.
struct Rest<'a, A> {
    map: A,
    name: &'a mut Option<String>,
    path: &'a mut Option<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, mut seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            match self.map.next_key_seed(OwnKey(seed))? {
                None => return Ok(None),
                Some(Key::Other(key)) => return Ok(Some(key)),
                Some(Key::Name(back)) => {
                    *self.name = Some(self.map.next_value()?);
                    seed = back;
                }
                Some(Key::Path(back)) => {
                    *self.path = Some(self.map.next_value()?);
                    seed = back;
                }
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

enum Key<S, V> {
    Name(S),
    Path(S),
    Other(V),
}

/// Recognises our own keys and leaves the others to the seed.
struct OwnKey<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for OwnKey<S> {
    type Value = Key<S, S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let key = String::deserialize(deserializer)?;
        match &*key {
            "name" => Ok(Key::Name(self.0)),
            "path" => Ok(Key::Path(self.0)),
            _ => self.0.deserialize(StringDeserializer::new(key)).map(Key::Other),
        }
    }
}
