//! Finds the arguments of a command that some program would read as code, and refuses a placeholder there. Pure, and
//! on the safe side: it may refuse an odd command that would have been harmless, and its error shows the way that
//! always works. What it can't know are programs that are not in its tables.

use fsmon_protocol::ApiError;
use fsmon_protocol::path::escape;

use super::first_placeholder;

/// How one kind of program takes code from its arguments.
struct Interpreter {
    /// Names it goes by. Digits, dots and dashes at the end are ignored (`python3.12`).
    names: &'static [&'static str],
    /// Letters of short options, alone or in a cluster (`-ec`), after which the next argument is code.
    code: &'static [u8],
    /// Long options after which the next argument, or what follows `=`, is code.
    code_long: &'static [&'static str],
    /// Options whose next argument is no code and belongs to them.
    valued: &'static [&'static str],
    /// Options in whose stead the first argument that is no option is code, for programs that need none to say so.
    unless: &'static [&'static str],
    /// What the right way looks like.
    right: &'static str,
}

const SHELLS: Interpreter = Interpreter {
    names: &["sh", "bash", "rbash", "dash", "ash", "zsh", "ksh", "mksh", "oksh", "lksh", "yash", "fish", "csh", "tcsh"],
    code: b"c",
    code_long: &["--command", "--init-command"],
    valued: &["--rcfile", "--init-file", "-o", "+o", "-O", "+O"],
    unless: &[],
    right: "-- sh -c '… \"$1\" …' sh {path}",
};

const INTERPRETERS: [Interpreter; 8] = [
    SHELLS,
    Interpreter {
        names: &["python", "pypy"],
        code: b"c",
        code_long: &[],
        valued: &["-W", "-X"],
        unless: &[],
        right: "-- python3 -c '… sys.argv[1] …' {path}",
    },
    Interpreter {
        names: &["perl", "ruby"],
        code: b"eE",
        code_long: &[],
        valued: &["-I", "-r"],
        unless: &[],
        right: "-- perl -e '… $ARGV[0] …' {path}",
    },
    Interpreter {
        names: &["lua", "luajit"],
        code: b"e",
        code_long: &[],
        valued: &["-l"],
        unless: &[],
        right: "-- lua script.lua {path}",
    },
    Interpreter {
        names: &["node", "nodejs", "bun", "deno"],
        code: b"ep",
        code_long: &["--eval", "--print"],
        valued: &["-r", "--require"],
        unless: &[],
        right: "-- node -e '… process.argv[1] …' {path}",
    },
    Interpreter {
        names: &["php"],
        code: b"rBRE",
        code_long: &["--run"],
        valued: &["-d", "-c"],
        unless: &[],
        right: "-- php -r '… $argv[1] …' {path}",
    },
    Interpreter {
        names: &["awk", "gawk", "mawk", "nawk"],
        code: b"",
        code_long: &[],
        valued: &["-F", "-v", "-f", "-e", "-i", "-l"],
        unless: &["-f", "-e", "--file", "--source"],
        right: "-- awk '… FILENAME …' {path}",
    },
    Interpreter {
        names: &["sed", "gsed"],
        code: b"",
        code_long: &[],
        valued: &["-e", "-f", "-l", "--expression", "--file"],
        unless: &["-e", "-f", "--expression", "--file"],
        right: "-- sh -c '… \"$1\" …' sh {path}",
    },
];

/// Programs that only run another one that stands somewhere in their arguments.
const WRAPPERS: &[&str] = &[
    "env",
    "nice",
    "ionice",
    "nohup",
    "timeout",
    "setsid",
    "stdbuf",
    "chrt",
    "taskset",
    "time",
    "sudo",
    "doas",
    "runuser",
    "su",
    "setpriv",
    "unshare",
    "nsenter",
    "chroot",
    "flock",
    "xargs",
    "busybox",
    "toybox",
    "systemd-run",
    "prlimit",
    "strace",
    "ltrace",
    "catchsegv",
    "firejail",
    "bwrap",
    "fakeroot",
    "caffeinate",
    "gtimeout",
    "genv",
    "script",
];

/// Programs that put all their arguments together and hand them to a shell, here or elsewhere.
const JOINERS: &[&str] = &["ssh", "rsh", "watch", "parallel", "eval"];

/// After these words of `find` stands a command of its own.
const FIND_COMMANDS: &[&str] = &["-exec", "-execdir", "-ok", "-okdir"];

/// Wrappers that hand the argument after `-c` to a shell, wherever it stands.
const SHELL_WRAPPERS: &[&str] = &["su", "runuser", "flock", "script"];

/// See [`super::check`]: everything beyond the program itself.
pub(super) fn check(argv: &[String]) -> Result<(), ApiError> {
    let mut wrapped = true;
    let mut index = 0;
    while wrapped && index < argv.len() {
        let name = base_name(&argv[index]);
        let rest = &argv[index + 1..];
        if let Some(interpreter) = interpreter(name) {
            return check_interpreter(name, interpreter, rest);
        }
        if index == 0 {
            wrapped = WRAPPERS.contains(&name);
        }
        if name == "env" || name == "genv" {
            refuse_split_string(rest)?;
        }
        if SHELL_WRAPPERS.contains(&name) {
            check_shell_wrapper(name, rest)?;
        }
        if JOINERS.contains(&name) {
            return refuse_joined(name, rest);
        }
        if name == "find" {
            return check_find(rest);
        }
        index += 1;
    }
    Ok(())
}

/// The last component of a program's path.
fn base_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn interpreter(name: &str) -> Option<&'static Interpreter> {
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    INTERPRETERS.iter().find(|i| i.names.contains(&plain))
}

/// Walks the options of an interpreter up to its first other argument, which is code if one of them said so.
fn check_interpreter(name: &str, interpreter: &Interpreter, arguments: &[String]) -> Result<(), ApiError> {
    let refuse = |word: &str| {
        let placeholder = first_placeholder(word)?;
        Some(code_error(name, placeholder, interpreter.right))
    };
    let by_itself = !interpreter.unless.is_empty();
    let mut code_follows = by_itself;
    let mut options_end = false;
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let option = !options_end && word.len() > 1 && (word.starts_with('-') || word.starts_with('+'));
        if !option {
            // The first argument that is no option: the code itself, or a program's file, after which all is data.
            return if code_follows { refuse(word).map_or(Ok(()), Err) } else { Ok(()) };
        }
        // No option of an interpreter takes the name of a file from us: it may hold code attached to its letter.
        if let Some(error) = refuse(word) {
            return Err(error);
        }
        if word == "--" || word == "-" {
            options_end = true;
            continue;
        }
        let long = word.starts_with("--");
        let elsewhere = |option: &str| word.split('=').next() == Some(option) || (!long && word.starts_with(option));
        if interpreter.unless.iter().any(|option| elsewhere(option)) {
            code_follows = false;
        }
        code_follows |= if long {
            interpreter.code_long.contains(&word)
        } else {
            word.bytes().skip(1).any(|letter| interpreter.code.contains(&letter))
        };
        if takes_value(interpreter, word)
            && let Some(error) = words.next().and_then(refuse)
        {
            return Err(error);
        }
    }
    if code_follows && !by_itself {
        return Err(ApiError::usage(format!(
            "'{name}' is told to run code, and none is given: it would take a path as such"
        ))
        .hint(format!("write the code after the option, like {}", interpreter.right)));
    }
    Ok(())
}

/// Whether the next word belongs to this option: as it is written, or as the last letter of a cluster (`-eo pipefail`).
fn takes_value(interpreter: &Interpreter, word: &str) -> bool {
    interpreter.valued.iter().any(|valued| {
        word == *valued
            || (!valued.starts_with("--")
                && !word.starts_with("--")
                && word.as_bytes().first() == valued.as_bytes().first()
                && word.as_bytes().last() == valued.as_bytes().last())
    })
}

/// `su -c TEXT`, `flock FILE -c TEXT`: TEXT goes to a shell.
fn check_shell_wrapper(name: &str, arguments: &[String]) -> Result<(), ApiError> {
    for (at, word) in arguments.iter().enumerate() {
        if interpreter(base_name(word)).is_some() {
            // From here on the words are the shell's own.
            return Ok(());
        }
        let attached = ["--command=", "--session-command="].iter().any(|long| word.starts_with(long));
        let alone = word == "--command" || word == "--session-command" || is_cluster_with(word, b'c');
        let text = if attached { Some(word) } else { alone.then(|| arguments.get(at + 1)).flatten() };
        if let Some(placeholder) = text.or(alone.then_some(word)).and_then(|text| first_placeholder(text)) {
            return Err(code_error(name, placeholder, SHELLS.right));
        }
        if alone && text.is_none() {
            return Err(ApiError::usage(format!(
                "'{name}' is told to run code, and none is given: it would take a path as such"
            ))
            .hint("write the code after the option"));
        }
    }
    Ok(())
}

/// `ssh HOST TEXT…`: all of it is one line for the shell over there.
fn refuse_joined(name: &str, arguments: &[String]) -> Result<(), ApiError> {
    match arguments.iter().find_map(|word| first_placeholder(word)) {
        None => Ok(()),
        Some(placeholder) => Err(ApiError::usage(format!(
            "'{}' makes one line of its arguments and hands it to a shell, so that with {placeholder} the name of a file \
             could become code",
            escape(name.as_bytes())
        ))
        .hint("write a script that quotes the name, and give it {path}; or hand over the content, as with --stdin")),
    }
}

/// `find … -exec COMMAND`: each such command by itself. Elsewhere find takes no code.
fn check_find(arguments: &[String]) -> Result<(), ApiError> {
    let commands = arguments.iter().enumerate().filter(|(_, word)| FIND_COMMANDS.contains(&word.as_str()));
    commands.map(|(at, _)| &arguments[at + 1..]).try_for_each(check)
}

/// `env -S` splits one argument into several, so that the name of a file could become many words, or code of a shell
/// that is named in it.
fn refuse_split_string(arguments: &[String]) -> Result<(), ApiError> {
    for word in arguments.iter().take_while(|word| word.starts_with('-')) {
        let cluster = word.strip_prefix('-').unwrap_or_default();
        let own = cluster.split(['u', 'C', 'P', 'a']).next().unwrap_or_default();
        if word.starts_with("--split-string") || (!cluster.starts_with('-') && own.contains('S')) {
            return Err(ApiError::usage("'env -S' would split the name of a file into several words")
                .hint("give the program and each argument as words of their own, without -S"));
        }
    }
    Ok(())
}

fn is_cluster_with(word: &str, letter: u8) -> bool {
    word.starts_with('-') && !word.starts_with("--") && word.as_bytes().contains(&letter)
}

fn code_error(name: &str, placeholder: &str, right: &str) -> ApiError {
    ApiError::usage(format!(
        "{placeholder} stands in text that '{}' would run as code, so that the name of a file could become code",
        escape(name.as_bytes())
    ))
    .hint(format!("hand it over as an argument of its own: {right}"))
}
