//! What arming and listing a large tree costs. Not run by default, and it asserts no time: it prints.

use std::collections::VecDeque;
use std::fs;

use super::*;

#[test]
#[ignore = "a measurement: cargo test --release -p fsmond watch::tests::cost -- --ignored --nocapture"]
fn fifty_thousand_folders() {
    let mut b = Bench::new();
    for outer in 0..500 {
        for inner in 0..100 {
            let folder = b.path(format!("{outer}/{inner}"));
            fs::create_dir_all(&folder).unwrap();
            for file in 0..4 {
                fs::write(folder.join(file.to_string()), "").unwrap();
            }
        }
    }
    b.open(Backend::Inotify);
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let mut waiting: VecDeque<(NodeId, RawPath)> = VecDeque::from([(NodeId::ROOT, RawPath::default())]);
    let mut paths = std::collections::HashMap::new();
    let (mut next, mut out, mut folders, mut files) = (1, 0, 0, 0);
    while out > 0 || !waiting.is_empty() {
        while let Some((folder, path)) = waiting.pop_front() {
            paths.insert(folder, path.clone());
            b.edge.list(ListRequest { watch: W, folder, path, inode: 0, arm: true, ignores: AskIgnores::No, scan: 1 });
            out += 1;
        }
        b.edge.flush();
        let Some(Input::Listed(parts)) = b.inbox.blocking_recv() else { panic!() };
        for part in parts {
            match part.part {
                ListPart::Entries(some) => {
                    for (name, stat) in some {
                        if stat.file_type == fsmon_protocol::fingerprint::FileType::Dir {
                            waiting.push_back((node(next), paths[&part.folder].join(&name)));
                            next += 1;
                        } else {
                            files += 1;
                        }
                    }
                }
                ListPart::Ignores(_) => {}
                ListPart::Done { armed, .. } => {
                    assert_eq!(armed, Armed::Yes);
                    paths.remove(&part.folder);
                    folders += 1;
                    out -= 1;
                }
                ListPart::Failed(problem) => panic!("{problem:?}"),
            }
        }
    }
    let (cpu, wall) = (cpu_seconds() - cpu, start.elapsed());
    println!("{folders} folders, {files} files: {cpu:.2} CPU-s, {:.2} s", wall.as_secs_f64());
    assert_eq!((folders, files), (50_501, 200_000));
}

/// CPU time of this process, user and system.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap().as_secs_f64()
}
