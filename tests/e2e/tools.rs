//! Editors and tools as people use them: sensible events, and one run for each state that settles.

use std::fs;
use std::path::Path;

use fsmon_tests::{Daemon, Line, ctl, programs};

/// How a tool changes `data/f`: its script is run beside `data`, where `outside` is a folder that nobody watches.
struct Way {
    what: &'static str,
    /// Programs of which it needs any one.
    needs: &'static [&'static str],
    script: &'static str,
    /// The kinds of event of which one, and nothing but these, is told of the file.
    kinds: &'static [&'static str],
    content: &'static str,
}

const CHANGES: &[Way] = &[
    Way { what: "echo >", needs: &["sh"], script: "echo new > data/f", kinds: &["modify"], content: "new\n" },
    Way { what: "echo >>", needs: &["sh"], script: "echo new >> data/f", kinds: &["modify"], content: "old\nnew\n" },
    Way {
        what: ">> in a loop",
        needs: &["sh"],
        script: "for i in 1 2 3 4 5 6 7 8 9; do echo $i >> data/f; done",
        kinds: &["modify"],
        content: "old\n1\n2\n3\n4\n5\n6\n7\n8\n9\n",
    },
    Way { what: "truncate", needs: &["truncate"], script: "truncate -s 2 data/f", kinds: &["modify"], content: "ol" },
    Way {
        what: "sed -i",
        needs: &["sed"],
        script: "sed -i s/old/new/ data/f",
        kinds: &["modify", "rename"],
        content: "new\n",
    },
    Way {
        what: "mv from outside over it",
        needs: &["mv"],
        script: "echo new > outside/f; mv outside/f data/f",
        kinds: &["modify"],
        content: "new\n",
    },
    Way {
        what: "mv over it with the same size and time",
        needs: &["mv"],
        script: "cp -p data/f outside/f; printf 'new\\n' > outside/f; touch -r data/f outside/f; mv outside/f data/f",
        kinds: &["modify"],
        content: "new\n",
    },
    Way {
        what: "save by temporary file and rename",
        needs: &["sh"],
        script: "echo new > data/.f.tmp; mv data/.f.tmp data/f",
        kinds: &["modify", "rename"],
        content: "new\n",
    },
    Way {
        what: "save by backup and new file",
        needs: &["sh"],
        script: "mv data/f data/f~; echo new > data/f; rm data/f~",
        kinds: &["rename", "modify", "create", "delete"],
        content: "new\n",
    },
    Way {
        what: "link and unlink, as an SFTP server renames",
        needs: &["ln"],
        script: "rm data/f; echo new > data/part; ln data/part data/f; rm data/part",
        kinds: &["delete", "create", "modify", "rename"],
        content: "new\n",
    },
    Way {
        what: "rsync",
        needs: &["rsync"],
        script: "echo newer > outside/f; rsync -a outside/f data/f",
        kinds: &["modify", "rename"],
        content: "newer\n",
    },
    Way {
        what: "rsync --inplace",
        needs: &["rsync"],
        script: "echo newer > outside/f; rsync -a --inplace outside/f data/f",
        kinds: &["modify"],
        content: "newer\n",
    },
    Way {
        what: "dd conv=notrunc",
        needs: &["dd"],
        script: "printf N | dd of=data/f conv=notrunc status=none",
        kinds: &["modify"],
        content: "Nld\n",
    },
    Way {
        what: "cp --preserve over it, with an old time",
        needs: &["cp"],
        script: "echo new > outside/f; touch -d 2001-01-01 outside/f; cp -p outside/f data/f",
        kinds: &["modify"],
        content: "new\n",
    },
    Way {
        what: "vim",
        needs: &["vim", "vim.tiny"],
        script: "$(command -v vim || command -v vim.tiny) -u NONE -N -es -c '%s/old/new/' -c wq data/f </dev/null",
        kinds: &["modify", "rename", "create", "delete"],
        content: "new\n",
    },
    Way {
        what: "vim with a backup by rename",
        needs: &["vim", "vim.tiny"],
        script: "$(command -v vim || command -v vim.tiny) -u NONE -N -es -c 'set backup backupcopy=no' -c '%s/old/new/' -c wq data/f </dev/null",
        kinds: &["modify", "rename", "create", "delete"],
        content: "new\n",
    },
];

/// One way, with a daemon of its own.
fn try_way(way: &Way) {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.dir("outside");
    let file = root.join("f");
    fs::write(&file, "old\n").unwrap();
    // A settle that a busy machine can't stretch a script over.
    d.add(&["--settle", "500ms"], &[&job.command()]);
    let tail = d.tail();
    ctl::shell(d.base(), way.script);
    assert_eq!(fs::read_to_string(&file).unwrap(), way.content, "{}", way.what);

    d.until(&format!("{} has run", way.what), || job.is_done(&file));
    let events = tail.up_to_now(&root);
    let kinds: Vec<&str> = events.iter().filter(|line| line.path() == file).map(Line::kind).collect();
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| way.kinds.contains(kind)), "{}: {kinds:?}", way.what);
    d.wait_idle("data");
    let runs = job.runs_of(&file);
    assert_eq!(runs.len(), 1, "{}: one settled state, one run: {runs:?}", way.what);
}

#[test]
fn each_way_to_save_a_file_is_one_run_with_its_content() {
    for way in CHANGES {
        if !way.needs.iter().any(|program| programs::installed(program).is_some()) {
            eprintln!("skipped: {} is not installed", way.needs.join(" or "));
            continue;
        }
        try_way(way);
    }
}

#[test]
fn a_touch_is_a_change_and_a_new_mode_is_none() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    let (touched, owned) = (root.join("touched"), root.join("owned"));
    fs::write(&touched, "x").unwrap();
    fs::write(&owned, "x").unwrap();
    d.add(&[], &[&job.command()]);
    let tail = d.tail();
    ctl::shell(&root, "chmod 600 owned; touch -d '-3 days' touched");
    tail.wait_event("modify", &touched);
    assert_eq!(events_of(&tail.up_to_now(&root), &owned), 0);
    d.until("the touched one has run", || job.is_done(&touched));
    d.wait_idle("data");
    assert!(job.runs_of(&owned).is_empty());
}

fn events_of(events: &[Line], path: &Path) -> usize {
    events.iter().filter(|line| line.path() == path).count()
}

#[test]
fn a_file_that_comes_and_goes_at_once_runs_nothing_and_fails_nothing() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&["--settle", "300ms"], &[&job.command()]);
    let tail = d.tail();
    ctl::shell(&root, "i=0; while [ $i -lt 200 ]; do : > t$i; rm t$i; i=$((i+1)); done");
    tail.up_to_now(&root);
    d.wait_idle("data");
    assert!(job.runs().is_empty(), "{:?}", job.runs());
    assert_eq!(d.json(["runs", "--failed"]).len(), 0);
}

#[test]
fn each_name_of_a_hard_linked_file_has_its_own_run() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.add(&[], &[&job.command()]);
    ctl::shell(&root, "echo content > a; ln a b");
    d.until("both have run", || job.is_done(&root.join("a")) && job.is_done(&root.join("b")));
}

#[test]
fn a_file_moved_in_with_an_old_time_is_found() {
    let d = Daemon::start();
    let (root, job) = (d.root(), d.job());
    d.dir("outside");
    d.add(&[], &[&job.command()]);
    ctl::shell(d.base(), "echo old > outside/o; touch -d 2001-01-01 outside/o; mv outside/o data/o");
    d.until("it has run", || job.is_done(&root.join("o")));
}
