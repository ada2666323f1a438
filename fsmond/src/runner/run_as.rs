//! Running a command as another user (`--run-as`): with that user's groups, and with nothing left of root.
//!
//! The order is what matters: groups while it is still allowed, then the group, then the user, all three numbers of
//! each so that there is no way back, then the capabilities. Whatever of it fails ends the start.

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use fsmon_protocol::path::escape;
use nix::unistd::{Gid, Group, Uid, User};

/// Whom a command runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Name of the user, for the command's environment.
    pub(super) name: String,
    /// Home folder of the user, likewise.
    pub(super) home: PathBuf,
    /// The user.
    pub(super) uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Account {
    /// The account of `USER[:GROUP]`, or why there is none to be had. May wait for the user database.
    pub(crate) fn find(text: &str) -> Result<Self, String> {
        let own = Uid::effective();
        if !own.is_root() {
            return Err(format!(
                "run-as '{}' needs a daemon that runs as root, and this one runs as user {own}",
                escape(text.as_bytes())
            ));
        }
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let found = match user.parse() {
            Ok(number) => User::from_uid(Uid::from_raw(number)),
            Err(_) => User::from_name(user),
        };
        let unknown = |what: &str, name: &str| format!("run-as names the {what} '{}', which is not there", shown(name));
        let found = found.map_err(|e| format!("the user '{}' can't be looked up: {e}", shown(user)))?;
        let User { name, uid, gid, dir, .. } = found.ok_or_else(|| unknown("user", user))?;
        let gid = match group {
            None => gid,
            Some(group) => group_number(group).ok_or_else(|| unknown("group", group))?,
        };
        let groups =
            groups_of(&name, gid).map_err(|e| format!("the groups of '{}' can't be told: {e}", shown(user)))?;
        Ok(Self { name, home: dir, uid, gid, groups })
    }

    /// Gives the command's end of a pipe to this user.
    pub(super) fn own(&self, pipe: impl std::os::fd::AsFd) -> io::Result<()> {
        let owner = rustix::fs::Uid::from_raw(self.uid.as_raw());
        Ok(rustix::fs::fchown(pipe, Some(owner), None)?)
    }

    /// Has the command become this user before its program is loaded.
    #[allow(unsafe_code, reason = "the standard library sets user and group by itself, but no further groups")]
    pub(super) fn put_on(&self, command: &mut Command) {
        let Self { uid, gid, groups, .. } = self.clone();
        // SAFETY: what runs between fork and exec makes only system calls; it takes no lock and allocates nothing.
        unsafe {
            command.pre_exec(move || become_user(uid, gid, &groups));
        }
    }
}

fn shown(name: &str) -> String {
    escape(name.as_bytes()).into_owned()
}

fn group_number(group: &str) -> Option<Gid> {
    let by_name = || Group::from_name(group).ok().flatten().map(|group| group.gid);
    group.parse().map(Gid::from_raw).ok().or_else(by_name)
}

#[cfg(not(target_vendor = "apple"))]
fn groups_of(name: &str, gid: Gid) -> io::Result<Vec<Gid>> {
    Ok(nix::unistd::getgrouplist(&CString::new(name)?, gid)?)
}

/// On macOS the system resolves further groups by itself, by user.
#[cfg(target_vendor = "apple")]
fn groups_of(name: &str, gid: Gid) -> io::Result<Vec<Gid>> {
    CString::new(name)?;
    Ok(vec![gid])
}

/// Becomes the user, for good.
#[cfg(target_os = "linux")]
fn become_user(uid: Uid, gid: Gid, groups: &[Gid]) -> io::Result<()> {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

    nix::unistd::setgroups(groups)?;
    nix::unistd::setresgid(gid, gid, gid)?;
    nix::unistd::setresuid(uid, uid, uid)?;
    if !uid.is_root() {
        // Leaving root has taken all but the inheritable ones, which a file with capabilities could still use.
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    }
    Ok(())
}

/// Becomes the user, for good: of root, these set all three numbers.
#[cfg(not(target_os = "linux"))]
fn become_user(uid: Uid, gid: Gid, groups: &[Gid]) -> io::Result<()> {
    #[cfg(not(target_vendor = "apple"))]
    nix::unistd::setgroups(groups)?;
    #[cfg(target_vendor = "apple")]
    let _ = groups;
    nix::unistd::setgid(gid)?;
    Ok(nix::unistd::setuid(uid)?)
}
