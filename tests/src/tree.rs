//! Making trees of files, and comparing them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Puts a link to `target` in the place of this folder, and the folder back: for a moment its path leads elsewhere.
pub fn swap_for_link(folder: &Path, target: &Path) {
    let (link, aside) = (folder.with_file_name(".link"), folder.with_file_name(".aside"));
    symlink(target, &link).unwrap();
    fs::rename(folder, &aside).unwrap();
    fs::rename(&link, folder).unwrap();
    std::thread::yield_now();
    fs::remove_file(folder).unwrap();
    fs::rename(&aside, folder).unwrap();
}

/// Makes `folders` folders below `root`, nested three deep, with `files` files spread over them, each with content of
/// its own. Says which files they are.
pub fn make(root: &Path, folders: usize, files: usize) -> Vec<PathBuf> {
    let places: Vec<PathBuf> = (0..folders.max(1))
        .map(|n| root.join(format!("a{}", n % 7)).join(format!("b{}", n % 31)).join(format!("c{n}")))
        .collect();
    for place in &places {
        fs::create_dir_all(place).expect("a folder");
    }
    (0..files)
        .map(|n| {
            let path = places[n % places.len()].join(format!("f{n}"));
            fs::write(&path, content(n)).expect("a file");
            path
        })
        .collect()
}

/// Content that differs in every file, and in length too.
pub fn content(n: usize) -> Vec<u8> {
    format!("file {n}\n").repeat(1 + n % 50).into_bytes()
}

/// Every regular file below `root` with its content, by path relative to it.
pub fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder that can be read") {
            let path = entry.expect("an entry").path();
            let kind = fs::symlink_metadata(&path).expect("an entry that stays").file_type();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let relative = path.strip_prefix(root).expect("below the root").to_owned();
                all.insert(relative, fs::read(&path).expect("a file that can be read"));
            }
        }
    }
    all
}

/// The paths of every regular file below `root`, absolute, sorted.
pub fn files(root: &Path) -> Vec<PathBuf> {
    contents(root).into_keys().map(|relative| root.join(relative)).collect()
}
