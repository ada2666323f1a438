//! Paths as the bytes they are: lossless on the wire, escaped for people.
//!
//! A file name on Unix is any bytes but `/` and NUL. Nothing here ever turns one into text and back.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path as bytes. `Display` escapes it for people: see [`escape`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RawPath(Vec<u8>);

impl RawPath {
    /// The bytes, exactly.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, exactly, given away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// As a path for the operating system.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// As text, with U+FFFD where it is not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The bytes in base64, only where the text would not be exact.
    pub fn base64_if_lossy(&self) -> Option<String> {
        use base64::Engine;
        std::str::from_utf8(&self.0).is_err().then(|| base64::engine::general_purpose::STANDARD.encode(&self.0))
    }

    /// This folder's path with one more name, or several joined by `/`, below it. An empty `name` adds nothing.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        if name.is_empty() {
            return self.clone();
        }
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        if !bytes.is_empty() && bytes.last() != Some(&b'/') {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        Self(bytes)
    }
}

impl From<Vec<u8>> for RawPath {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for RawPath {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<&str> for RawPath {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<&Path> for RawPath {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl From<PathBuf> for RawPath {
    fn from(path: PathBuf) -> Self {
        Self(path.into_os_string().into_vec())
    }
}

impl fmt::Display for RawPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0))
    }
}

impl fmt::Debug for RawPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", escape(&self.0))
    }
}

/// Makes any bytes safe and unambiguous on a terminal and in a log line.
///
/// Bytes that are not UTF-8 become `\xNN`; control characters (C0, DEL, C1) become `\n`, `\t`, `\r`, `\e` or
/// `\u{NN}`; characters that reorder, hide or join text (Unicode's bidirectional controls, zero-width, invisible and
/// other format characters, line and paragraph separators) become `\u{NNNN}`; a backslash becomes `\\`. Every other character
/// stays as it is.
pub fn escape(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.chars().any(|c| c == '\\' || misleads(c))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c => push_shown(&mut out, c),
            }
        }
        for byte in chunk.invalid() {
            out.extend(byte.escape_ascii().map(char::from));
        }
    }
    Cow::Owned(out)
}

/// Makes a text safe for a terminal and a log line without touching its backslashes: for sentences in which names are
/// escaped already. Doing it twice changes nothing.
pub fn tame(text: &str) -> Cow<'_, str> {
    if !text.chars().any(misleads) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        push_shown(&mut out, c);
    }
    Cow::Owned(out)
}

/// A name as one word of a line: escaped, and in double quotes where a blank or a quote would blur where it ends.
pub fn quote(bytes: &[u8]) -> Cow<'_, str> {
    let shown = escape(bytes);
    if !shown.is_empty() && !shown.chars().any(|c| c == '"' || c.is_whitespace()) {
        return shown;
    }
    Cow::Owned(format!("\"{}\"", shown.replace('"', "\\\"")))
}

/// Appends `c` as it may be shown.
fn push_shown(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        '\u{1b}' => out.push_str("\\e"),
        c if misleads(c) => out.extend(c.escape_unicode()),
        c => out.push(c),
    }
}

/// Whether a terminal or a reader would be misled by this character: controls; Unicode's format characters (general
/// category Cf, of Unicode 16) and separators of lines and paragraphs; what is shown as nothing at all (fillers,
/// joiners, variation selectors) or has no meaning of its own (tags).
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

impl Serialize for RawPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.text())
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for RawPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = RawPath;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path")
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<RawPath, E> {
                Ok(RawPath(v.as_bytes().to_vec()))
            }
            fn visit_bytes<E: Error>(self, v: &[u8]) -> Result<RawPath, E> {
                Ok(RawPath(v.to_vec()))
            }
            fn visit_byte_buf<E: Error>(self, v: Vec<u8>) -> Result<RawPath, E> {
                Ok(RawPath(v))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawPath, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(RawPath(bytes))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Bytes)
        } else {
            deserializer.deserialize_byte_buf(Bytes)
        }
    }
}

#[cfg(test)]
mod tests;
