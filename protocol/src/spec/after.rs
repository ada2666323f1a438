//! What becomes of a file once its command has run: it stays, is deleted, or is moved to a folder.

use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{OnSchedule, Rules};
use crate::error::ApiError;
use crate::path::escape;

/// What becomes of a file, written `keep`, `delete` or `move:DIR`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum After {
    /// It stays where it is.
    #[default]
    Keep,
    /// It is deleted.
    Delete,
    /// It is moved to the same place below this folder as it had below the root of the watch.
    Move(String),
}

impl FromStr for After {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "keep" => Ok(Self::Keep),
            "delete" => Ok(Self::Delete),
            _ => match text.strip_prefix("move:") {
                Some(folder) if !folder.is_empty() => Ok(Self::Move(folder.to_owned())),
                _ => Err(format!("'{}' is not keep, delete or move:DIR", escape(text.as_bytes()))),
            },
        }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("keep"),
            Self::Delete => f.write_str("delete"),
            Self::Move(folder) => write!(f, "move:{folder}"),
        }
    }
}

impl Serialize for After {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for After {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

impl Rules {
    /// Whether files are moved or deleted after their run.
    pub fn puts_away(&self) -> bool {
        self.on_success != After::Keep || self.on_failure != After::Keep
    }

    /// What cannot become of a file. Whether a folder is one that is watched is checked where the root is known.
    pub(super) fn check_after(&self) -> Result<(), ApiError> {
        if self.on_failure == After::Delete {
            return Err(ApiError::usage("on-failure delete would lose files that nobody has processed")
                .hint("move them with on-failure move:DIR, or keep them, which `failures` lists"));
        }
        for (option, after) in [("on-success", &self.on_success), ("on-failure", &self.on_failure)] {
            let After::Move(folder) = after else { continue };
            let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
            if !folder.starts_with('/') || folder.contains('\0') || !Path::new(folder).components().all(plain) {
                let shown = escape(folder.as_bytes());
                return Err(ApiError::usage(format!("{option} moves to '{shown}', which is not an absolute path"))
                    .hint("give the whole path of the folder, from / on and without '..'"));
            }
        }
        if self.puts_away() && self.on_schedule == OnSchedule::Once {
            return Err(ApiError::usage("on-schedule once and on-success or on-failure are both given")
                .hint("with once the command runs for the whole watch, not for a file; leave one of the two out"));
        }
        Ok(())
    }
}
