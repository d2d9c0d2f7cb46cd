//! The mail server of a test bed, whichever it is.

use std::{env, path::Path};

use anyhow::{Context as _, Result};

use nix::sys::signal::Signal;

use crate::{POSTFIX, Responder, Server, Testbed};

/// Recipients that exist.
pub const RECIPIENTS: [&str; 3] = [
    "postmaster@example.test",
    "alice@example.test",
    "bob@example.test",
];

/// The mail server on the mail host.
#[derive(Debug)]
pub enum MailServer {
    /// The real one.
    Postfix(Server),
    /// The built-in one, where Postfix cannot be had.
    Responder(Responder),
}

impl MailServer {
    /// Starts Postfix, or the built-in responder when `MAILWALL_MAIL_SERVER` is `responder`.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(bed: &Testbed) -> Result<Self> {
        if env::var_os("MAILWALL_MAIL_SERVER").is_some_and(|choice| choice == "responder") {
            return Self::start_responder(bed);
        }
        Server::start(bed, &POSTFIX).map(Self::Postfix)
    }

    /// Starts the built-in responder.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_responder(bed: &Testbed) -> Result<Self> {
        Responder::start(bed).map(Self::Responder)
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        match self {
            Self::Postfix(postfix) => postfix.log(),
            Self::Responder(responder) => responder.log(),
        }
    }

    /// Has it write to a new file of the log's name, as after a rotation by renaming.
    ///
    /// # Errors
    /// When it is not running.
    pub fn reopen_log(&self) -> Result<()> {
        match self {
            Self::Postfix(postfix) => postfix.signal(Signal::SIGHUP),
            // It opens the log for each line.
            Self::Responder(_) => Ok(()),
        }
    }

    /// What is in the log now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn log_text(&self) -> Result<String> {
        let bytes =
            std::fs::read(self.log()).with_context(|| format!("read {}", self.log().display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
