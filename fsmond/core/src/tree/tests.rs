//! The tree against a map of paths, by random operations from a seed.

use std::collections::BTreeMap;

use super::*;

fn name(n: usize) -> Vec<u8> {
    format!("n{n}").into_bytes()
}

/// Every entry by its path, as the tree tells it by walking.
fn walked(tree: &Tree) -> BTreeMap<Vec<u8>, u32> {
    tree.subtree(ROOT).into_iter().filter(|&at| at != ROOT).map(|at| (tree.path(at), at)).collect()
}

#[test]
fn agrees_with_a_map_of_paths_under_random_operations() {
    for seed in 0..50 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut tree = Tree::new();
        let mut ids = Vec::new();
        for _ in 0..400 {
            let all = walked(&tree);
            let folders: Vec<u32> = all.values().copied().filter(|&at| tree.node(at).is_dir()).chain([ROOT]).collect();
            let folder = folders[random.usize(..folders.len())];
            let new = name(random.usize(..6));
            match random.u8(..4) {
                0 | 1 if tree.lookup(folder, &new).is_none() => {
                    let kind = if random.bool() { FileType::Dir } else { FileType::File };
                    let at = tree.insert(folder, &new, kind);
                    tree.set_known(at, true);
                    ids.push(tree.id(at));
                }
                2 if !all.is_empty() => {
                    let at = *all.values().nth(random.usize(..all.len())).unwrap();
                    let below = tree.subtree(at);
                    if !below.contains(&folder) && tree.lookup(folder, &new).is_none() {
                        tree.relocate(at, folder, &new);
                    }
                }
                3 if !all.is_empty() => {
                    let at = *all.values().nth(random.usize(..all.len())).unwrap();
                    for gone in tree.subtree(at) {
                        tree.remove(gone);
                    }
                }
                _ => {}
            }
            let all = walked(&tree);
            for (path, &at) in &all {
                assert_eq!(tree.resolve(path), Some(at), "seed {seed}");
            }
            let live = ids.iter().filter(|&&id| tree.place(id).is_some()).count();
            assert_eq!(live, all.len(), "seed {seed}: ids of what is gone must not resolve");
            assert_eq!(tree.files() + tree.folders(), all.len() as u64 + 1, "seed {seed}");
        }
    }
}

#[test]
fn stored_rows_are_linked_in_any_order_and_loops_are_dropped() {
    let mut tree = Tree::new();
    assert!(tree.insert_at(3, 5, &name(1), FileType::File));
    assert!(tree.insert_at(5, 0, &name(2), FileType::Dir));
    assert!(tree.insert_at(6, 7, &name(3), FileType::Dir));
    assert!(tree.insert_at(7, 6, &name(4), FileType::Dir));
    assert!(!tree.insert_at(5, 0, &name(9), FileType::File), "taken");
    assert_eq!(tree.link_inserted(), 2);
    assert_eq!(tree.resolve(b"n2/n1"), Some(3));
    assert_eq!(walked(&tree).len(), 2);
    let reused = tree.insert(ROOT, &name(8), FileType::File);
    assert!([1, 2, 4, 6, 7].contains(&reused), "free places are reused");
}
