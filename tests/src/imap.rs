//! An IMAP session of a client.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::Client;

/// How long a client waits for a reply.
const REPLY_WITHIN: Duration = Duration::from_secs(60);

/// An IMAP session.
#[derive(Debug)]
pub struct ImapSession {
    stream: BufReader<TcpStream>,
    commands: u32,
}

impl Client<'_> {
    /// Begins an IMAP session, as far as the greeting; `None` when no SYN was answered.
    ///
    /// # Errors
    /// When the server does not speak IMAP.
    pub fn imap(&self) -> Result<Option<ImapSession>> {
        let Some(stream) = self.connect(143)? else {
            return Ok(None);
        };
        stream.set_read_timeout(Some(REPLY_WITHIN))?;
        let mut session = ImapSession {
            stream: BufReader::new(stream),
            commands: 0,
        };
        let greeting = session.line()?;
        ensure!(greeting.starts_with("* OK"), "greeted with {greeting:?}");
        Ok(Some(session))
    }
}

impl ImapSession {
    /// Says a command; the words of its answer behind the tag.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn command(&mut self, words: &str) -> Result<String> {
        self.commands += 1;
        let tag = format!("a{}", self.commands);
        self.stream
            .get_mut()
            .write_all(format!("{tag} {words}\r\n").as_bytes())?;
        loop {
            let line = self
                .line()
                .with_context(|| format!("wait for the answer to {words:?}"))?;
            if let Some(answer) = line.strip_prefix(&tag) {
                return Ok(answer.trim().to_owned());
            }
        }
    }

    /// Tries to log in; whether it succeeded.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn log_in(&mut self, account: &str, password: &str) -> Result<bool> {
        let answer = self.command(&format!("LOGIN {account} \"{password}\""))?;
        Ok(answer.starts_with("OK"))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line)
    }
}
