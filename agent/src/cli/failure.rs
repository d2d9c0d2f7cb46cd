//! Why a command did not end well, and how that is said: one `error:`, at most one `hint:`, on stderr.

use std::{
    error::Error,
    io::{self, Write as _},
};

use super::{
    exit::Exit,
    paint::{Paint, Tone},
};
use crate::control::{
    ClientError,
    protocol::{RefusalKind, Refused},
};

/// Why a command did not end well.
#[derive(Debug)]
pub enum Failure {
    /// Whoever read the output has had enough: nobody is left to tell.
    ReaderGone,
    /// Something to say.
    Said {
        /// How to exit.
        exit: Exit,
        /// What failed, with the value: lower case, no full stop.
        error: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, error: impl Into<String>) -> Self {
        Self::Said {
            exit,
            error: error.into(),
            hint: None,
        }
    }

    /// A mistake in what the caller gave.
    pub fn usage(error: impl Into<String>) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// An error with its causes.
    pub fn from_chain(exit: Exit, error: &dyn Error) -> Self {
        Self::new(exit, chain(error))
    }

    /// An answer that does not belong to the request.
    pub fn other_answer() -> Self {
        Self::new(Exit::Failed, "mailwall answered something else").hint(
            "the agent may be of another version than this command: restart it, then try again",
        )
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(self, text: impl Into<String>) -> Self {
        match self {
            Self::ReaderGone => Self::ReaderGone,
            Self::Said { exit, error, .. } => Self::Said {
                exit,
                error,
                hint: Some(text.into()),
            },
        }
    }

    /// Says it on stderr; the exit code for it.
    pub fn report(&self, paint: Paint) -> Exit {
        match self {
            Self::ReaderGone => Exit::Done,
            Self::Said { exit, error, hint } => {
                let mut stderr = io::stderr().lock();
                // Where stderr is closed, the exit code has to do.
                let error = in_words(error);
                let _ = writeln!(stderr, "{} {error}", paint.dress(Tone::Bad, "error:"));
                if let Some(hint) = hint {
                    let _ = writeln!(stderr, "{} {hint}", paint.dress(Tone::Strong, "hint:"));
                }
                *exit
            }
        }
    }
}

/// An error and its causes, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Without the number that the system's reasons end with: `No such file or directory (os error 2)`.
fn in_words(text: &str) -> &str {
    match text.rsplit_once(" (os error ") {
        Some((words, number)) if number.trim_end_matches(')').parse::<i32>().is_ok() => words,
        _ => text,
    }
}

/// Of writing the output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::new(Exit::Failed, format!("cannot write the output: {error}")),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::NotRunning { .. } => {
                Self::new(Exit::NotRunning, text).hint("systemctl start mailwall, or mailwall run")
            }
            ClientError::NotPermitted { .. } => Self::new(Exit::NotPermitted, text)
                .hint("run it as root, or as a member of the group in [control]"),
            ClientError::Refused(Refused { kind, error, hint }) => Self::Said {
                exit: match kind {
                    RefusalKind::NotPermitted => Exit::NotPermitted,
                    RefusalKind::Failed => Exit::Failed,
                },
                error,
                hint,
            },
            ClientError::Silent | ClientError::Broken(_) => Self::new(Exit::Failed, text),
            ClientError::Ended => Self::new(Exit::NotRunning, text)
                .hint("its log says why it stopped: journalctl -u mailwall"),
            ClientError::Garbled(_) => Self::new(Exit::Failed, text).hint(
                "the agent may be of another version than this command: restart it, then try again",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_the_system_are_told_in_words() {
        let error = io::Error::from_raw_os_error(2).to_string();
        assert_eq!(in_words(&error), "No such file or directory");
        for text in ["no such file", "x (os error y)", "(os error 2) x"] {
            assert_eq!(in_words(text), text);
        }
    }
}
