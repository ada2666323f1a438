//! Whom a config names: users, and groups with an `@` before them; by name or number. Whether there are such is not
//! asked here: a user who was deleted must not keep the daemon from starting.

use fsmon_protocol::path::escape;
use nix::unistd::{Group, User};
use serde::Deserialize;

/// A user or a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Principal {
    /// A user.
    User(String),
    /// Whoever is in this group.
    Group(GroupName),
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(name) => write!(f, "the user '{}'", escape(name.as_bytes())),
            Self::Group(group) => write!(f, "the group '{}'", group.shown()),
        }
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct GroupName(String);

impl TryFrom<String> for Principal {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix('@') {
            Some(group) => GroupName::try_from(group.to_owned()).map(Self::Group),
            None => checked(text).map(Self::User),
        }
    }
}

impl TryFrom<String> for GroupName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        checked(text).map(Self)
    }
}

/// What can be the name of a user or group at all.
fn checked(name: String) -> Result<String, String> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | ',' | '@');
    if name.is_empty() || name.len() > 256 || name.contains(odd) {
        let shown = escape(name.as_bytes());
        return Err(format!("'{shown}' is no name of a user or group; write \"alice\", \"@staff\" or a number"));
    }
    Ok(name)
}

impl GroupName {
    /// The group's number; none where the system knows none of that name.
    pub fn number(&self) -> Option<u32> {
        let by_name = || Group::from_name(&self.0).ok().flatten().map(|group| group.gid.as_raw());
        self.0.parse().ok().or_else(by_name)
    }

    /// As it is shown to people.
    pub fn shown(&self) -> String {
        escape(self.0.as_bytes()).into_owned()
    }
}

/// The number of the user of this name, which may be a number itself; none where the system knows none.
pub fn user_number(name: &str) -> Option<u32> {
    let by_name = || User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
    name.parse().ok().or_else(by_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_told_apart() {
        let read = |text: &str| Principal::try_from(text.to_owned());
        assert_eq!(read("alice").unwrap(), Principal::User("alice".into()));
        assert_eq!(read("@staff").unwrap(), Principal::Group(GroupName("staff".into())));
        for bad in ["", "@", "@@x", "a b", "a:b", "a,b", "a\nb", "@\u{1b}[31m"] {
            let said = read(bad).unwrap_err();
            assert!(said.contains("no name of a user or group") && !said.contains(['\n', '\u{1b}']), "{said}");
        }
    }

    #[test]
    fn names_and_numbers_are_found() {
        assert_eq!(user_number("root"), Some(0));
        assert_eq!(user_number("4711"), Some(4711));
        assert_eq!(user_number("no-such-user-here"), None);
        assert_eq!(GroupName("4712".into()).number(), Some(4712));
        assert_eq!(GroupName("no-such-group-here".into()).number(), None);
    }
}
