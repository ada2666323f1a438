//! Becoming another user, for good, before anything else: `--user`.
//!
//! The whole of that user: with the groups the user database gives them and none of root's, and with their own `HOME`,
//! so that state, config and socket are where they are for that user. It is done before the first file is opened and
//! the first thread is there, and the program is then begun anew, so that nothing of root is left in its memory,
//! descriptors or environment. Never in place of `User=` of a service manager, which does the same earlier.

use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use fsmon_protocol::path::escape;
use nix::unistd::{Uid, User, setgid, setuid};

/// That user can't be become.
#[derive(Debug, thiserror::Error)]
pub enum CantBecome {
    /// The user database has none of that name.
    #[error("there is no user '{}'; --user takes a name of the user database", escape(.0.as_bytes()))]
    Unknown(String),
    /// It is not ours to do.
    #[error("only root can become the user '{}'; start fsmond as that user, or as root", escape(.0.as_bytes()))]
    NotRoot(String),
    /// The system refused.
    #[error("can't become the user '{}'", escape(.user.as_bytes()))]
    Refused {
        /// Who.
        user: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Becomes the user and begins this program anew, with the same arguments. Comes back without an error only where we
/// are that user already, as we are the second time.
pub fn become_user(name: &str) -> Result<(), CantBecome> {
    let refused = |source: io::Error| CantBecome::Refused { user: name.to_owned(), source };
    let found = User::from_name(name).map_err(|e| refused(e.into()))?;
    let user = found.ok_or_else(|| CantBecome::Unknown(name.to_owned()))?;
    if Uid::effective() == user.uid && Uid::current() == user.uid {
        return Ok(());
    }
    if !Uid::effective().is_root() {
        return Err(CantBecome::NotRoot(name.to_owned()));
    }
    match drop_to(&user).and_then(|()| begin_anew(&user)) {
        Ok(never) => match never {},
        Err(error) => Err(refused(error)),
    }
}

/// The groups first: afterwards we may not. Each of the calls sets the real, effective and saved numbers of root.
fn drop_to(user: &User) -> io::Result<()> {
    set_groups(user)?;
    setgid(user.gid)?;
    setuid(user.uid)?;
    if !user.uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
        return Err(io::Error::other("the system lets it become root again"));
    }
    Ok(())
}

#[cfg(not(target_vendor = "apple"))]
fn set_groups(user: &User) -> io::Result<()> {
    let name = CString::new(user.name.as_str())?;
    Ok(nix::unistd::initgroups(&name, user.gid)?)
}

#[cfg(target_vendor = "apple")]
fn set_groups(user: &User) -> io::Result<()> {
    let _ = CString::new(user.name.as_str())?;
    Err(io::Error::other("not on this system, where launchd does it: the key UserName"))
}

/// Gives control to the same program, as after a login of the user.
fn begin_anew(user: &User) -> io::Result<Infallible> {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_else(|| "fsmond".into());
    let mut program = Command::new(std::env::current_exe()?);
    program.arg0(called).args(arguments);
    program.env("HOME", &user.dir).env("SHELL", &user.shell).env("USER", &user.name).env("LOGNAME", &user.name);
    for (name, _) in std::env::vars_os() {
        // Folders of whoever called.
        if name.as_encoded_bytes().starts_with(b"XDG_") {
            program.env_remove(name);
        }
    }
    Err(program.exec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oneself_is_nothing_to_become_and_nobody_else_is_there() {
        let me = User::from_uid(Uid::effective()).unwrap().unwrap();
        become_user(&me.name).unwrap();
        let error = become_user("no such\nuser").unwrap_err();
        assert!(matches!(error, CantBecome::Unknown(_)) && !error.to_string().contains('\n'), "{error}");
    }
}
