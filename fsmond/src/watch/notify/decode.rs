//! From events of the `notify` crate to hints.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use fsmon_core::io::{HintWhat, NameHint, NodeId};
use notify::event::{
    AccessKind, AccessMode, CreateKind, Event, EventKind, MetadataKind, ModifyKind, RemoveKind, RenameMode,
};

use super::Paths;

/// Adds the hints of one event.
pub fn event(event: notify::Result<Event>, number: u64, paths: &mut Paths, hints: &mut Vec<HintWhat>) {
    let event = match event {
        Ok(event) => event,
        Err(error) => return hints.push(HintWhat::SourceFailed(error.to_string())),
    };
    if event.need_rescan() {
        return hints.push(HintWhat::Overflow);
    }
    // Both sides of a rename with a cookie were told one by one before.
    let both = event.kind == EventKind::Modify(ModifyKind::Name(RenameMode::Both));
    if both && event.tracker().is_some() {
        return;
    }
    let Some(how) = how(&event) else { return };
    let dir = matches!(event.kind, EventKind::Create(CreateKind::Folder) | EventKind::Remove(RemoveKind::Folder));
    let leaves = both || matches!(how, NameHint::Deleted | NameHint::MovedFrom(_)) || is_move_self(&event);
    for path in &event.paths {
        let armed = !paths.at(path, number).is_empty();
        let Some((parent, name)) = path.parent().zip(path.file_name()) else { continue };
        hints.extend(paths.at(parent, number).iter().map(|folder| HintWhat::Name {
            folder: *folder,
            name: name.as_bytes().into(),
            how,
            dir: dir || armed,
        }));
        if leaves && armed {
            folder_left(path, is_move_self(&event), paths, hints);
        }
    }
}

/// Whether this is the first side of a rename.
pub fn is_moved_from(what: &HintWhat) -> bool {
    matches!(what, HintWhat::Name { how: NameHint::MovedFrom(_), .. })
}

/// A folder was itself told to be moved, which has no cookie.
fn is_move_self(event: &Event) -> bool {
    event.kind == EventKind::Modify(ModifyKind::Name(RenameMode::From)) && event.tracker().is_none()
}

/// An armed folder is not where it was armed: notify lets go of it and of all below.
fn folder_left(path: &Path, moved: bool, paths: &mut Paths, hints: &mut Vec<HintWhat>) {
    let root = paths.nodes.get(&NodeId::ROOT).is_some_and(|root| root == path);
    if root && moved {
        hints.push(HintWhat::RootMoved);
        return;
    }
    let gone = paths.forget(path);
    hints.extend(gone.into_iter().map(|folder| HintWhat::Disarmed { folder, unmounted: false }));
}

fn how(event: &Event) -> Option<NameHint> {
    let cookie = event.tracker().and_then(|tracker| u32::try_from(tracker).ok());
    Some(match event.kind {
        EventKind::Create(_) => NameHint::Created,
        EventKind::Remove(_) => NameHint::Deleted,
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => NameHint::Closed,
        // Reading changes nothing but the time of access.
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(MetadataKind::AccessTime)) => return None,
        EventKind::Modify(ModifyKind::Metadata(_)) => NameHint::Attrib,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
            cookie.map_or(NameHint::Something, NameHint::MovedFrom)
        }
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => cookie.map_or(NameHint::Something, NameHint::MovedTo),
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Any | EventKind::Other => NameHint::Something,
        EventKind::Modify(_) => NameHint::Modified,
    })
}
