//! Colour, where there is somebody to see it.

use std::{
    borrow::Cow,
    env,
    io::{self, IsTerminal},
};

use clap::ValueEnum;

/// What the caller wants of colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Choice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a text means to the reader.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    /// As it is.
    Normal,
    /// As it should be.
    Good,
    /// Worth a look.
    Odd,
    /// Worth getting up for.
    Bad,
    /// What others hang on: headers.
    Strong,
}

/// Whether there is colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Paint {
    /// ANSI colours.
    Colour,
    /// None.
    Plain,
}

impl Paint {
    /// For stdout.
    pub fn of_stdout(choice: Choice) -> Self {
        Self::on(choice, io::stdout().is_terminal())
    }

    /// For messages on stderr.
    pub fn of_stderr(choice: Choice) -> Self {
        Self::on(choice, io::stderr().is_terminal())
    }

    fn on(choice: Choice, terminal: bool) -> Self {
        // https://no-color.org: any value but the empty one.
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|term| term == "dumb");
        match choice {
            Choice::Always => Self::Colour,
            Choice::Auto if terminal && !unwanted => Self::Colour,
            Choice::Auto | Choice::Never => Self::Plain,
        }
    }

    /// `text` as it is written.
    pub fn dress(self, tone: Tone, text: &str) -> Cow<'_, str> {
        let code = match (self, tone) {
            (Self::Plain, _) | (Self::Colour, Tone::Normal) => return Cow::Borrowed(text),
            (Self::Colour, Tone::Good) => "32",
            (Self::Colour, Tone::Odd) => "33",
            (Self::Colour, Tone::Bad) => "1;31",
            (Self::Colour, Tone::Strong) => "1",
        };
        Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
    }
}
