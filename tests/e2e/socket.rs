//! What comes over the socket that fsmonctl would never send.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use fsmon_tests::{Daemon, process};

/// What both sides begin with: never changes.
fn preamble() -> Vec<u8> {
    [b"fsmond\r\n", &fsmon_protocol::VERSION.to_le_bytes()[..]].concat()
}

/// A connection that has sent these bytes.
fn send(d: &Daemon, bytes: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(d.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The daemon may hang up in the middle; that is what is to be found out.
    let _ = stream.write_all(bytes);
    stream
}

/// Waits until the daemon hangs up.
#[track_caller]
fn hung_up(mut stream: UnixStream) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
}

#[track_caller]
fn unharmed(d: &Daemon) {
    d.ok(["status"]);
    assert!(!d.log().contains("panicked") && !d.console().contains("panicked"), "{}", d.diagnosis());
    assert!(d.log().lines().all(|line| line.len() < 2000), "a log line is short, whatever was sent");
}

#[test]
fn garbage_is_hung_up_on() {
    let d = Daemon::start();
    let noise: Vec<u8> = (0_u64..1 << 20).map(|n| n.wrapping_mul(6_364_136_223_846_793_005).to_le_bytes()[6]).collect();
    hung_up(send(&d, &noise));
    hung_up(send(&d, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    hung_up(send(&d, &[preamble(), noise].concat()));
    hung_up(send(&d, &[&b"fsmond\r\n"[..], &[0xff, 0xff]].concat()));
    unharmed(&d);
}

#[test]
fn a_frame_that_claims_to_be_huge_is_hung_up_on() {
    let d = Daemon::start();
    hung_up(send(&d, &[preamble(), vec![0x7f, 0xff, 0xff, 0xff]].concat()));
    unharmed(&d);
}

/// A request for the daemon's status: variant 0; its deadline in seconds, as they are written here, and nanoseconds;
/// trace id, span id, sampling; its number; and the first method, which takes nothing.
fn status_within(seconds: &[u8]) -> Vec<u8> {
    let message = [&[0], seconds, &[0], &[0; 16], &[0, 1], &[0], &[0]].concat();
    [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

#[test]
fn a_deadline_of_three_years_is_refused() {
    let d = Daemon::start();
    // The same with a deadline that makes sense is answered: it is the deadline that is refused.
    let mut answered = send(&d, &[preamble(), status_within(&[5])].concat());
    let mut answer = vec![0; preamble().len() + 4];
    answered.read_exact(&mut answer).unwrap();
    let length = u32::from_be_bytes(*answer.last_chunk().unwrap());
    assert!(answer.starts_with(&preamble()) && length > 0, "{answer:?}");
    let three_years = [&[252][..], &(3 * 365 * 86_400_u32).to_le_bytes()].concat();
    let for_ever = [&[253][..], &u64::MAX.to_le_bytes()].concat();
    for seconds in [three_years, for_ever] {
        hung_up(send(&d, &[preamble(), status_within(&seconds)].concat()));
        unharmed(&d);
    }
}

#[test]
fn connections_that_say_nothing_keep_no_one_out() {
    let d = Daemon::start();
    let silent: Vec<_> = (0..6).filter_map(|_| UnixStream::connect(d.socket()).ok()).collect();
    d.ok(["status"]);
    drop(silent);
    unharmed(&d);
}

#[test]
fn a_client_that_goes_away_in_the_middle_harms_no_one() {
    let d = Daemon::start();
    for length in [1, 5, 10, 13] {
        let bytes = [preamble(), vec![0, 0, 0, 100, 1, 2, 3]].concat();
        drop(send(&d, &bytes[..length]));
    }
    unharmed(&d);
}

#[test]
fn the_socket_is_for_no_one_else() {
    let d = Daemon::start();
    let mode = fs::metadata(d.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "mode {mode:o}");
    let state = fs::metadata(d.state()).unwrap().permissions().mode();
    assert_eq!(state & 0o077, 0, "mode {state:o}");
}

#[test]
fn a_socket_left_by_a_killed_daemon_is_no_obstacle() {
    let mut d = Daemon::start();
    d.add(&[], &[]);
    d.kill9();
    assert!(d.socket().exists(), "it was left");
    d.ctl(["status"]).refused(3, "fsmond");
    d.start_again();
    d.wait_watching("data");
}

#[test]
fn a_file_that_is_no_socket_is_not_removed() {
    let mut d = Daemon::prepare(fsmon_tests::DaemonOptions::default());
    fs::write(d.socket(), "precious").unwrap();
    let failure = d.try_start().expect_err("the socket can't be made");
    assert!(failure.console.contains("fsmond.sock"), "{}", failure.console);
    assert_eq!(fs::read_to_string(d.socket()).unwrap(), "precious");
}

#[test]
fn another_user_is_kept_out() {
    if !process::is_root() {
        eprintln!("skipped: only root can try as another user");
        return;
    }
    let d = Daemon::start();
    fs::set_permissions(d.base(), fs::Permissions::from_mode(0o755)).unwrap();
    let stranger = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ntry:\n s.connect(sys.argv[1])\n\
                    except PermissionError: sys.exit(42)\n";
    let mut python = d.command("python3");
    std::os::unix::process::CommandExt::uid(&mut python, 65_534);
    std::os::unix::process::CommandExt::gid(&mut python, 65_534);
    if fsmon_tests::programs::installed("python3").is_none() {
        eprintln!("skipped: python3 is not installed");
        return;
    }
    fsmon_tests::Ran::command(python.args(["-c", stranger]).arg(d.socket())).with_code(42);
}
