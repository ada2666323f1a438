//! An error with everything that caused it, on one line: `can't open the log: /var/log/x: permission denied`.

use std::error::Error;
use std::fmt::Write;

/// The texts of `error` and of its sources, joined by `: `. A source whose text already ends the text so far (as some
/// errors print their source themselves) is not said twice.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            // Writing to a String can't fail.
            let _ = write!(text, ": {said}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("can't start")]
    struct Outer(#[source] Middle);
    #[derive(Debug, thiserror::Error)]
    #[error("the log: {0}")]
    struct Middle(#[source] std::io::Error);

    #[test]
    fn the_whole_chain_is_told_once() {
        let error = Outer(Middle(std::io::Error::other("disk full")));
        assert_eq!(chain(&error), "can't start: the log: disk full");
        assert_eq!(chain(&std::io::Error::other("alone")), "alone");
    }
}
