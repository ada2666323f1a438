//! The socket as the file system sees it: how it is made, what is refused where it is to be, and what is passed with it.

use std::fs;
use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use fsmon_tests::{Daemon, DaemonOptions, LIMIT, Ran, process, programs};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// From the system calls themselves: the mode is on the descriptor before the name is there, and the name is listened
/// on only when it has its final mode and group.
#[test]
fn it_has_its_mode_before_it_has_its_name() {
    if programs::installed("strace").is_none() {
        eprintln!("skipped: strace is not installed");
        return;
    }
    let calls = "trace=bind,listen,umask,chmod,fchmod,fchmodat,?fchmodat2,chown,fchown,fchownat";
    let mut options = DaemonOptions { config: Some("[daemon]\nsocket-mode = \"0660\"\n".into()), ..Default::default() };
    let trace = tempfile::tempdir().unwrap();
    let file = trace.path().join("trace");
    options.wrapper = ["strace", "-f", "-e", calls, "-o", file.to_str().unwrap()].map(String::from).to_vec();
    let mut d = Daemon::start_with(options);
    d.ok(["stop"]);
    d.wait_end(LIMIT).expect("it ends");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.ends_with("= 0")).collect();
    let at = |what: &str| lines.iter().position(|line| line.contains(what));
    let socket = d.socket();
    let bind = at(&format!("sun_path=\"{}\"", socket.display())).unwrap_or_else(|| panic!("{text}"));
    let fchmod = lines[..bind].iter().rposition(|line| line.contains("fchmod(")).unwrap_or_else(|| panic!("{text}"));
    assert!(lines[fchmod].contains("0660"), "{}", lines[fchmod]);
    let listen = lines.iter().rposition(|line| line.contains("listen(")).unwrap();
    assert!(lines[bind..listen].iter().any(|line| line.contains("chmod") && line.contains("0660")), "{text}");
    for line in lines[bind..].iter().filter(|line| line.contains("chmod") && line.contains("fsmond.sock")) {
        assert!(line.contains("0660"), "never another mode: {line}");
    }
}

type Plant = fn(&Path, &Path);

/// What is found where the socket is to be, and what is named in the refusal; empty where it is no obstacle.
const PLANTED: &[(&str, Plant, &str)] = &[
    ("nothing", |_, _| {}, ""),
    ("a socket that nobody listens on", |_, socket| drop(UnixListener::bind(socket).unwrap()), ""),
    (
        "a socket that somebody listens on",
        |_, socket| std::mem::forget(UnixListener::bind(socket).unwrap()),
        "listens on",
    ),
    ("a file", |_, socket| fs::write(socket, "precious").unwrap(), "no socket"),
    ("a folder", |_, socket| fs::create_dir(socket).unwrap(), "no socket"),
    ("a link to nowhere", |_, socket| symlink("/no/such", socket).unwrap(), "no socket"),
    ("a link to a file", |_, socket| symlink("/etc/passwd", socket).unwrap(), "no socket"),
    (
        "a link to a socket",
        |folder, socket| {
            drop(UnixListener::bind(folder.join("other")).unwrap());
            symlink(folder.join("other"), socket).unwrap();
        },
        "no socket",
    ),
    ("a fifo", |_, socket| nix::unistd::mkfifo(socket, nix::sys::stat::Mode::S_IRWXU).unwrap(), "no socket"),
    ("a lock that is a link", |folder, socket| symlink(folder.join("x"), lock(socket)).unwrap(), "fsmond.sock.lock"),
    ("a lock that is a folder", |_, socket| fs::create_dir(lock(socket)).unwrap(), "fsmond.sock.lock"),
    ("a lock that all can write", |_, socket| open_file(&lock(socket)), "fsmond.sock.lock"),
    ("a lock with a second name", |folder, socket| linked(folder, &lock(socket)), "second name"),
    ("a folder that all can write", |folder, _| mode(folder, 0o777), "written by"),
    ("a sticky folder that all can write", |folder, _| mode(folder, 0o1777), "written by"),
    ("a folder that others of its group can write", |folder, _| groups(folder), "written by"),
    ("a folder of somebody else", |folder, _| theirs(folder), "belongs to user 4711"),
    (
        "a lock of somebody else",
        |_, socket| {
            fs::write(lock(socket), "").unwrap();
            theirs(&lock(socket));
        },
        "belongs to user 4711",
    ),
];

fn lock(socket: &Path) -> std::path::PathBuf {
    socket.with_extension("sock.lock")
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn open_file(path: &Path) {
    fs::write(path, "").unwrap();
    mode(path, 0o666);
}

fn linked(folder: &Path, path: &Path) {
    fs::write(folder.join("other"), "").unwrap();
    mode(&folder.join("other"), 0o600);
    fs::hard_link(folder.join("other"), path).unwrap();
}

fn groups(folder: &Path) {
    chown(folder, None, Some(4711)).unwrap();
    mode(folder, 0o775);
}

fn theirs(path: &Path) {
    chown(path, Some(4711), None).unwrap();
}

#[test]
fn what_is_planted_where_it_is_to_be_is_refused_by_name_and_left_alone() {
    for (what, plant, refused) in PLANTED {
        if !process::is_root() && (what.contains("somebody else") || what.contains("group")) {
            continue; // Only root can give things away.
        }
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("fsmond.sock");
        plant(folder.path(), &socket);
        let before = fsmon_tests::tree::contents(folder.path());
        let d = Daemon::prepare(DaemonOptions::default());
        let mut command = d.command(programs::fsmond());
        let ran = Ran::command(command.arg("--state-dir").arg(d.state()).arg("--socket").arg(&socket));
        if refused.is_empty() {
            ran.ok();
            Ran::command(d.command(programs::fsmonctl()).arg("--socket").arg(&socket).arg("stop")).ok();
            continue;
        }
        let ran = ran.with_code(1);
        assert!(ran.complaint().contains(refused), "{what}: {}", ran.complaint());
        assert!(ran.complaint().contains(folder.path().to_str().unwrap()), "{what} is named: {}", ran.complaint());
        let mut after = fsmon_tests::tree::contents(folder.path());
        after.retain(|path, _| before.contains_key(path));
        assert_eq!(after, before, "{what}: what was there stays");
    }
}

/// The number of descriptors the daemon has open.
fn open_descriptors(d: &Daemon) -> usize {
    fs::read_dir(format!("/proc/{}/fd", d.pid())).unwrap().count()
}

#[test]
fn descriptors_that_are_sent_along_are_closed() {
    if !Path::new("/proc/self/fd").exists() {
        return;
    }
    let d = Daemon::start();
    d.ok(["status"]);
    let before = open_descriptors(&d);
    let preamble = [b"fsmond\r\n", &fsmon_protocol::VERSION.to_le_bytes()[..]].concat();
    let null = fs::File::open("/dev/null").unwrap();
    let fds = [null.as_fd(); 50];
    let mut streams = Vec::new();
    for _ in 0..4 {
        let stream = UnixStream::connect(d.socket()).unwrap();
        for bytes in [&preamble[..], &[0, 0, 1], &[0, 7]] {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(50))];
            let mut along = SendAncillaryBuffer::new(&mut space);
            assert!(along.push(SendAncillaryMessage::ScmRights(&fds)));
            sendmsg(&stream, &[IoSlice::new(bytes)], &mut along, SendFlags::empty()).unwrap();
        }
        streams.push(stream);
    }
    d.ok(["status"]);
    d.until("none of 600 descriptors is held", || open_descriptors(&d) <= before + streams.len() + 1);
    for mut stream in streams {
        let _ = stream.write_all(&[1; 400]);
    }
    d.until("nor anything else", || open_descriptors(&d) <= before);
    d.ok(["status"]);
}

/// Whoever the kernel says nothing of is nobody, also where it would be root.
#[test]
fn somebody_whose_credentials_cannot_be_had_is_refused() {
    if programs::installed("strace").is_none() {
        eprintln!("skipped: strace is not installed");
        return;
    }
    let d = Daemon::start();
    let calls = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=getsockopt", "-e", "inject=getsockopt:error=EIO", "-p"];
    let mut tracer = std::process::Command::new("strace").args(calls).arg(d.pid().to_string()).spawn().unwrap();
    d.until("it learns nothing any more", || d.ctl(["status"]).code != 0);
    for verb in [&["status"][..], &["stop"], &["add", "/srv", "--", "/bin/true"]] {
        d.ctl(verb).refused(5, "no role");
    }
    assert!(d.log().contains("can't tell who connects: refused"), "{}", d.log());
    process::signal(tracer.id(), nix::sys::signal::Signal::SIGTERM);
    tracer.wait().unwrap();
    d.ok(["status"]);
}
