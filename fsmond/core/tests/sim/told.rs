//! What was told, as somebody understands it who knows nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use fsmon_core::io::JournalRow;
use fsmon_protocol::event::{EventKind, What};

/// The paths that the events told are there, played from the beginning.
pub fn played(told: &[JournalRow]) -> Result<BTreeSet<Vec<u8>>, String> {
    let mut there: BTreeSet<Vec<u8>> = BTreeSet::new();
    let rel = |path: &fsmon_protocol::RawPath| path.as_bytes()[b"/w".len()..].trim_ascii_start().to_vec();
    let rel = |path: &fsmon_protocol::RawPath| rel(path).strip_prefix(b"/").unwrap_or_default().to_vec();
    for row in told {
        let What::Event(event) = &row.record.what else { continue };
        let path = rel(&event.path);
        match event.kind {
            EventKind::Create => drop(there.insert(path)),
            EventKind::Modify | EventKind::Attrib => {}
            EventKind::Delete => {
                if !there.remove(&path) {
                    return Err(format!("deleted what was not there: {event:?}"));
                }
            }
            EventKind::Rename => {
                let from = rel(event.from.as_ref().unwrap());
                if !there.remove(&from) {
                    return Err(format!("renamed what was not there: {event:?}"));
                }
                let mut prefix = from.clone();
                prefix.push(b'/');
                let below: Vec<Vec<u8>> = there.iter().filter(|p| p.starts_with(&prefix)).cloned().collect();
                for old in below {
                    there.remove(&old);
                    there.insert([path.as_slice(), &old[from.len()..]].concat());
                }
                there.insert(path);
            }
        }
    }
    Ok(there)
}

/// Every path of which a delete was told.
pub fn deleted(told: &[JournalRow]) -> Vec<Vec<u8>> {
    let path = |row: &JournalRow| match &row.record.what {
        What::Event(event) if event.kind == EventKind::Delete => Some(event.path.as_bytes()[b"/w/".len()..].to_vec()),
        _ => None,
    };
    told.iter().filter_map(path).collect()
}

/// For messages.
pub fn text(path: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(path).into()
}
