//! Who may do what: roles from the config, refusals, and what readers are not shown.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use fsmon_tests::{Daemon, DaemonOptions, Ran, process, programs};

/// A user that no system has, in a group that no system has.
const SOMEBODY: u32 = 54_321;
const THEIR_GROUP: u32 = 54_322;

fn config(roles: &str) -> String {
    format!("[daemon]\nsocket-mode = \"0666\"\n{roles}\n")
}

/// A daemon that anybody can connect to, with these roles; none where this is not root.
fn open_to_all(roles: &str) -> Option<Daemon> {
    if !process::is_root() {
        eprintln!("skipped: only root can try as another user");
        return None;
    }
    let d = Daemon::start_with(DaemonOptions { config: Some(config(roles)), ..DaemonOptions::default() });
    fs::set_permissions(d.base(), fs::Permissions::from_mode(0o755)).unwrap();
    // The programs may lie where nobody else may look.
    fs::copy(programs::folder().join("fsmonctl"), d.dir("bin").join("fsmonctl")).unwrap();
    Some(d)
}

/// Calls fsmonctl as somebody who is neither root nor the daemon's user.
fn as_somebody(d: &Daemon, args: &[&str]) -> Ran {
    let mut command = d.command(d.base().join("bin/fsmonctl"));
    command.uid(SOMEBODY).gid(THEIR_GROUP).current_dir("/").arg("--socket").arg(d.socket()).args(args);
    Ran::command(&mut command)
}

#[test]
fn each_role_may_do_its_part_and_a_reload_changes_it() {
    let Some(d) = open_to_all("") else { return };
    d.add(&["--env", "TOKEN=hunter2"], &["/bin/true", "--password=hunter3", "{path}"]);
    as_somebody(&d, &["list"]).refused(5, "needs the role reader");
    let log = d.log();
    assert!(log.contains("refused: not permitted") && log.contains(&SOMEBODY.to_string()), "{log}");

    let reload = |roles: &str| {
        d.write_config(&config(roles));
        d.ok(["reload"]);
    };
    reload(&format!("readers = [\"@{THEIR_GROUP}\"]"));
    let shown = as_somebody(&d, &["show", "data", "--json"]).ok().text();
    assert!(!shown.contains("/bin/true") && !shown.contains("hunter"), "a reader sees no command line: {shown}");
    as_somebody(&d, &["status"]).ok();
    let path = d.root().join("a");
    let told = as_somebody(&d, &["explain", path.to_str().unwrap(), "--json"]).ok().text();
    assert!(told.contains("unknown") && !told.contains("/bin/true") && !told.contains("hunter"), "{told}");
    as_somebody(&d, &["pause", "data"]).refused(5, "you are a reader, this needs the role operator");
    assert_eq!(d.show("data")["state"], "watching");

    reload(&format!("operators = [\"{SOMEBODY}\"]"));
    as_somebody(&d, &["pause", "data"]).ok();
    let shown = as_somebody(&d, &["show", "data", "--json"]).ok().text();
    assert!(shown.contains("hunter3") && !shown.contains("hunter2"), "values of an environment are shown to no one");
    for verb in [&["add", "/srv", "--", "/bin/sh"][..], &["set", "data", "--", "/bin/sh"], &["stop"], &["reload"]] {
        as_somebody(&d, verb).refused(5, "you are an operator, this needs the role admin");
    }

    reload(&format!("admins = [\"{SOMEBODY}\"]"));
    as_somebody(&d, &["set-interval", "data", "3h"]).ok();
    assert!(!d.ok(["show", "data", "--json"]).text().contains("hunter2"), "not even to an admin");
    reload("");
    as_somebody(&d, &["list"]).refused(5, "no role");
    assert!(!d.log().contains("hunter"), "no secret is in the log");
}

#[test]
fn a_name_that_nobody_has_gives_no_role_and_is_said() {
    let Some(d) = open_to_all("admins = [\"no-such-user\"]\nreaders = [\"@no-such-group\"]") else { return };
    as_somebody(&d, &["list"]).refused(5, "no role");
    let log = d.log();
    for name in ["no-such-user", "no-such-group"] {
        assert!(log.contains(name), "{name} is told: {log}");
    }
}

#[test]
fn roles_behind_a_closed_socket_are_said() {
    let config = Some("[daemon]\nreaders = [\"4711\"]\n".to_owned());
    let d = Daemon::start_with(DaemonOptions { config, ..DaemonOptions::default() });
    assert!(d.log().contains("socket-mode"), "{}", d.log());
}

#[test]
fn the_socket_has_the_group_of_the_config() {
    use std::os::unix::fs::MetadataExt;

    if !process::is_root() {
        eprintln!("skipped: only root can give a socket any group");
        return;
    }
    let config = |group: &str| format!("[daemon]\nsocket-mode = \"0660\"\nsocket-group = \"{group}\"\n");
    let mut d = Daemon::prepare(DaemonOptions { config: Some(config("no-such-group")), ..DaemonOptions::default() });
    let failure = d.try_start().expect_err("there is no such group");
    assert!(failure.console.contains("socket-group") && failure.console.contains("no-such-group"), "{failure:?}");
    d.write_config(&config(&THEIR_GROUP.to_string()));
    d.start_again();
    let found = fs::metadata(d.socket()).unwrap();
    assert_eq!((found.mode() & 0o777, found.gid()), (0o660, THEIR_GROUP));
}

// A thread of its own user is something that only Linux has.
#[cfg(target_os = "linux")]
#[test]
fn fsmonctl_talks_to_no_stranger() {
    if !process::is_root() {
        eprintln!("skipped: only root can listen as another user");
        return;
    }
    let d = Daemon::start();
    let folder = d.dir("theirs");
    for path in [d.base(), &folder] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let path = folder.join("fsmond.sock");
    let listening = path.clone();
    let stranger = std::thread::spawn(move || {
        let user = rustix::process::Uid::from_raw(SOMEBODY);
        rustix::thread::set_thread_res_uid(user, user, user).unwrap();
        std::os::unix::net::UnixListener::bind(listening).unwrap()
    });
    let _listener = stranger.join().unwrap();
    for verb in [&["status"][..], &["add", "/srv", "--env", "TOKEN=secret", "--", "true"]] {
        Ran::command(d.command(programs::fsmonctl()).arg("--socket").arg(&path).args(verb))
            .refused(5, "neither root, nor you, nor fsmond");
    }
}
