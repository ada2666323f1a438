//! Where things are: every precedence.

use super::*;

/// The environment of user 1000 with a home folder, these variables, and only these paths there.
fn user(vars: &[(&str, &str)], there: &[&str]) -> Env {
    let there: Vec<PathBuf> = there.iter().map(PathBuf::from).collect();
    Env {
        given: Given::default(),
        vars: vars.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect(),
        uid: 1000,
        pid: 42,
        cwd: PathBuf::from("/here"),
        home: Some(PathBuf::from("/home/u")),
        exists: Box::new(move |path| there.iter().any(|one| one == path)),
    }
}

fn root(vars: &[(&str, &str)]) -> Env {
    Env { uid: 0, home: Some(PathBuf::from("/root")), ..user(vars, &[]) }
}

#[test]
fn state_follows_its_row() {
    let all =
        [("FSMON_STATE_DIR", "/fsmon"), ("STATE_DIRECTORY", "/var/lib/one:/var/lib/two"), ("XDG_STATE_HOME", "/xdg")];
    let mut given = user(&all, &[]);
    given.given.state_dir = Some("rel/state".into());
    for (env, expected) in [
        (given, "/here/rel/state"),
        (user(&all, &[]), "/fsmon"),
        (user(&[("FSMON_STATE_DIR", "here")], &[]), "/here/here"),
        (user(&all[1..], &[]), "/var/lib/one"),
        (root(&all[1..]), "/var/lib/one"),
        (root(&all[2..3]), SYSTEM_STATE),
        (user(&all[2..3], &[]), "/xdg/fsmond"),
        (user(&[("XDG_STATE_HOME", "relative/is/ignored")], &[]), "/home/u/.local/state/fsmond"),
        (user(&[("FSMON_STATE_DIR", ""), ("STATE_DIRECTORY", "")], &[]), "/home/u/.local/state/fsmond"),
    ] {
        assert_eq!(state_dir(&env).unwrap(), PathBuf::from(expected), "{env:?}");
    }
    let homeless = Env { home: None, ..user(&[], &[]) };
    let error = state_dir(&homeless).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.hint.unwrap().contains("--state-dir"));
}

#[test]
fn one_watch_has_a_state_of_its_own_that_never_moves() {
    let of = |root: &str| one_watch_state_dir(Path::new("/s"), Path::new(root));
    // The test vector of FNV-1a for "a".
    assert_eq!(of("a"), PathBuf::from("/s/watch/af63dc4c8601ec8c"));
    assert_ne!(of("/data"), of("/data2"));
}

#[test]
fn config_follows_its_row() {
    let mut given = root(&[("FSMON_CONFIG", "/c.toml")]);
    given.given.config = Some("mine.toml".into());
    let named = |path: &str| ConfigFile::Named(path.into());
    let usual = |path: &str| ConfigFile::Usual(path.into());
    for (env, expected) in [
        (given, named("/here/mine.toml")),
        (root(&[("FSMON_CONFIG", "/c.toml")]), named("/c.toml")),
        (root(&[("XDG_CONFIG_HOME", "/xdg")]), usual("/etc/fsmond/fsmond.toml")),
        (user(&[("XDG_CONFIG_HOME", "/xdg")], &[]), usual("/xdg/fsmond/fsmond.toml")),
        (
            user(&[("CONFIGURATION_DIRECTORY", "/etc/fsmond"), ("XDG_CONFIG_HOME", "/xdg")], &[]),
            usual("/etc/fsmond/fsmond.toml"),
        ),
        (user(&[("CONFIGURATION_DIRECTORY", "/etc/fsmond"), ("FSMON_CONFIG", "/c.toml")], &[]), named("/c.toml")),
        (user(&[], &[]), usual("/home/u/.config/fsmond/fsmond.toml")),
        (Env { home: None, ..user(&[], &[]) }, ConfigFile::None),
    ] {
        assert_eq!(config_file(&env), expected, "{env:?}");
    }
}

#[test]
fn log_follows_its_row() {
    let state = Path::new("/state");
    let config = Some(Path::new("/from/config.log"));
    let mut given = user(&[("LOGS_DIRECTORY", "/var/log/fsmond")], &[]);
    given.given.log_file = Some("my.log".into());
    assert_eq!(log_file(&given, config, state), PathBuf::from("/here/my.log"));
    let managed = user(&[("LOGS_DIRECTORY", "/var/log/fsmond:/other")], &[]);
    assert_eq!(log_file(&managed, config, state), PathBuf::from("/from/config.log"));
    assert_eq!(log_file(&managed, None, state), PathBuf::from("/var/log/fsmond/filesystem_monitor.log"));
    assert_eq!(log_file(&user(&[], &[]), None, state), PathBuf::from("/state/log/filesystem_monitor.log"));
}

#[test]
fn the_daemons_socket_follows_its_row() {
    let activated = [("LISTEN_PID", "42"), ("LISTEN_FDS", "1"), ("XDG_RUNTIME_DIR", "/run/user/7")];
    let mut given = user(&activated, &[]);
    given.given.socket = Some("s.sock".into());
    let bind = |path: &str| DaemonSocket::Bind(path.into());
    let config = Some(Path::new("/conf.sock"));
    let systems = SYSTEM_SOCKET.strip_suffix("/fsmond.sock").unwrap();
    for (env, config, expected) in [
        (given, config, bind("/here/s.sock")),
        (user(&[("FSMON_SOCKET", "/f.sock"), activated[0], activated[1]], &[]), config, bind("/f.sock")),
        (user(&activated, &[]), config, DaemonSocket::Activated),
        (root(&activated), None, DaemonSocket::Activated),
        (user(&[("LISTEN_PID", "43"), activated[1]], &[]), config, bind("/conf.sock")),
        (user(&[activated[0], ("LISTEN_FDS", "0"), activated[2]], &[]), None, bind("/run/user/7/fsmond.sock")),
        (user(&[activated[0], ("LISTEN_FDS", "x"), activated[2]], &[]), None, bind("/run/user/7/fsmond.sock")),
        (root(&activated[2..]), None, bind(SYSTEM_SOCKET)),
        (user(&activated[2..], &["/run/user/1000"]), None, bind("/run/user/7/fsmond.sock")),
        (user(&[("RUNTIME_DIRECTORY", systems), activated[2]], &[]), None, bind(SYSTEM_SOCKET)),
        (root(&[("RUNTIME_DIRECTORY", "/run/other")]), None, bind(SYSTEM_SOCKET)),
        (user(&[], &["/run/user/1000"]), None, bind("/run/user/1000/fsmond.sock")),
        (user(&[], &[]), None, bind("/home/u/.local/state/fsmond/fsmond.sock")),
        (user(&[("XDG_RUNTIME_DIR", "relative")], &[]), None, bind("/home/u/.local/state/fsmond/fsmond.sock")),
        (user(&[("FSMON_STATE_DIR", "/s")], &[]), None, bind("/s/fsmond.sock")),
    ] {
        assert_eq!(daemon_socket(&env, config).unwrap(), expected, "{env:?}");
    }
}

const XDG: (&str, &str) = ("XDG_RUNTIME_DIR", "/run/user/1000");
const USER: &str = "/run/user/1000/fsmond.sock";
const IN_STATE: &str = "/home/u/.local/state/fsmond/fsmond.sock";

#[test]
fn a_client_takes_what_was_named() {
    let mut given = user(&[("FSMON_SOCKET", "/f.sock"), XDG], &[USER, SYSTEM_SOCKET]);
    assert_eq!(client_sockets(&given).unwrap(), ClientSockets::Named("/f.sock".into()));
    given.given.daemon = Some(Which::System);
    assert_eq!(client_sockets(&given).unwrap(), ClientSockets::Named(SYSTEM_SOCKET.into()));
    given.given.daemon = Some(Which::User);
    assert_eq!(client_sockets(&given).unwrap(), ClientSockets::User(vec![USER.into()]));
    given.given.socket = Some("s.sock".into());
    assert_eq!(client_sockets(&given).unwrap(), ClientSockets::Named("/here/s.sock".into()));
    assert_eq!(client_sockets(&root(&[XDG])).unwrap(), ClientSockets::Named(SYSTEM_SOCKET.into()));
    let mut root_user = root(&[]);
    root_user.given.daemon = Some(Which::User);
    assert_eq!(client_sockets(&root_user).unwrap(), ClientSockets::Named(SYSTEM_SOCKET.into()));
}

#[test]
fn a_client_looks_at_its_own_daemon_first_and_then_at_the_systems() {
    let none = client_sockets(&user(&[XDG], &[])).unwrap();
    assert_eq!(none, ClientSockets::User(vec![USER.into()]));
    assert_eq!(none.to_change().unwrap(), [Path::new(USER)]);

    let own = client_sockets(&user(&[XDG], &[USER, IN_STATE])).unwrap();
    assert_eq!(own.to_look(), [Path::new(USER), Path::new(IN_STATE)]);
    assert_eq!(own.to_change().unwrap(), own.to_look());

    let without_run_folder = client_sockets(&user(&[XDG], &[IN_STATE])).unwrap();
    assert_eq!(without_run_folder.to_look(), [Path::new(IN_STATE)]);

    let system = client_sockets(&user(&[XDG], &[SYSTEM_SOCKET])).unwrap();
    assert_eq!(system.to_look(), [Path::new(SYSTEM_SOCKET)]);
    let refusal = system.to_change().unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::NoDaemon);
    assert!(refusal.hint.unwrap().contains("--system"));

    let both = client_sockets(&user(&[XDG], &[USER, SYSTEM_SOCKET])).unwrap();
    assert_eq!(both.to_look(), [Path::new(USER), Path::new(SYSTEM_SOCKET)]);
    let refusal = both.to_change().unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::Usage);
    assert!(refusal.hint.unwrap().contains("--user or --system"));
}

#[test]
fn a_client_without_a_home_still_finds_the_system() {
    let homeless = |there: &[&str]| Env { home: None, ..user(&[], there) };
    assert_eq!(client_sockets(&homeless(&[SYSTEM_SOCKET])).unwrap(), ClientSockets::OnlySystem(SYSTEM_SOCKET.into()));
    assert_eq!(client_sockets(&homeless(&[])).unwrap_err().kind, ErrorKind::Usage);
}

#[test]
fn a_path_too_long_for_a_socket_is_refused_with_its_length() {
    let fits = format!("/{}", "a".repeat(LONGEST_SOCKET_PATH - 1));
    check_socket_path(Path::new(&fits)).unwrap();
    let mut env = user(&[("FSMON_SOCKET", &format!("{fits}a"))], &[]);
    let error = daemon_socket(&env, None).unwrap_err();
    assert!(error.message.contains(&format!("has {} bytes", LONGEST_SOCKET_PATH + 1)), "{error}");
    assert!(error.message.contains(&LONGEST_SOCKET_PATH.to_string()), "{error}");
    env.vars.clear();
    env.given.state_dir = Some(format!("/{}", "d".repeat(120)).into());
    assert_eq!(daemon_socket(&env, None).unwrap_err().kind, ErrorKind::Usage);
}

#[test]
fn the_process_has_an_environment() {
    let env = Env::of_process(Given::default());
    assert_eq!(env.pid, std::process::id());
    assert!(env.cwd.is_absolute());
    assert!((env.exists)(Path::new("/")));
}
