//! What can be wrong with a configuration.

use std::{fmt, io, path::PathBuf};

use super::CONFIG_MAX;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is longer than [`CONFIG_MAX`].
    #[error("the configuration {} is longer than {CONFIG_MAX} bytes", path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
    },
    /// Something in it is wrong.
    #[error("{0}")]
    Mistake(Mistake),
}

/// Something wrong in a configuration, on one line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistake {
    /// The file as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Character of the line, from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.what
        )
    }
}

/// `unknown WHAT "WORD"`, with the nearest of the known words, or all of them.
pub(super) fn unknown<'a>(
    what: &str,
    word: &str,
    place: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
    let advice = match nearest(word, known.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known: {}", known.collect::<Vec<_>>().join(", ")),
    };
    format!("unknown {what} {word:?}{place}; {advice}")
}

/// The known word that `word` is likely a slip for: at most a third of its letters differ, or two of a short one.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(2);
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
