//! One line's reading, as it is written for people and programs.

use std::{
    io::{self, Write},
    net::IpAddr,
    time::SystemTime,
};

use jiff::Timestamp;
use serde::Serialize;

use super::{Format, SHOWN_MAX};
use crate::{
    dialect::{Reading, Recognition},
    event::Event,
    line::escaped,
};

/// What JSON says of a line. `line` to `score` are relied on by other tools.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    line: u64,
    event: Option<&'static str>,
    address: Option<IpAddr>,
    service: Option<&'static str>,
    account: Option<&'a str>,
    score: f64,
    recipient: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipients: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    session: Option<u64>,
    at: Option<String>,
    dialect: Option<&'a str>,
    reading: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip)]
    why: &'static str,
}

const READING_WIDTH: usize = 17;
const ADDRESS_WIDTH: usize = 22;

pub(super) fn write_header(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:>6}  {:<READING_WIDTH$}  {:<ADDRESS_WIDTH$}  {:>5}  TEXT",
        "LINE", "EVENT", "CLIENT", "SCORE"
    )
}

impl<'a> Record<'a> {
    pub(super) fn new(
        line: u64,
        file: Option<&'a str>,
        recognition: Recognition<'a>,
        reading: &'a Reading,
    ) -> Self {
        let (name, why) = match reading {
            Reading::Event(_) => ("event", ""),
            Reading::Ignored if recognition.dialect.is_some() => ("ignored", "(nothing to say)"),
            Reading::Ignored if recognition.envelope.is_some() => ("ignored", "(other program)"),
            Reading::Ignored => ("ignored", "(no log header)"),
            Reading::Unknown => ("unknown", "(not understood)"),
            Reading::Refused if recognition.is_forged => ("refused", "(not believed)"),
            Reading::Refused => ("refused", "(two addresses)"),
        };
        let record = Self {
            line,
            event: None,
            address: None,
            service: None,
            account: None,
            score: 0.0,
            recipient: None,
            recipients: None,
            bytes: None,
            session: None,
            at: None,
            dialect: recognition.dialect,
            reading: name,
            file,
            why,
        };
        match reading {
            Reading::Event(event) => record.of(event),
            Reading::Ignored | Reading::Unknown | Reading::Refused => record,
        }
    }

    fn of(self, event: &'a Event) -> Self {
        Self {
            event: Some(event.kind.as_str()),
            address: event.address,
            service: Some(event.service.as_str()),
            account: event.account.as_deref(),
            score: event.score.as_f64(),
            recipient: event.recipient.as_deref(),
            recipients: event.recipients,
            bytes: event.bytes,
            session: event.session.map(|id| id.0),
            at: rfc3339(event.at),
            ..self
        }
    }

    pub(super) fn write(
        &self,
        format: Format,
        line: &[u8],
        out: &mut impl Write,
    ) -> io::Result<()> {
        match format {
            Format::Human => self.write_human(line, out),
            Format::Plain => self.write_plain(out),
            Format::Json => {
                serde_json::to_writer(&mut *out, self)?;
                out.write_all(b"\n")
            }
        }
    }

    fn write_human(&self, line: &[u8], out: &mut impl Write) -> io::Result<()> {
        let address = self.address.map(|address| address.to_string());
        write!(
            out,
            "{:>6}  {:<READING_WIDTH$}  {:<ADDRESS_WIDTH$}  ",
            self.line,
            self.event.unwrap_or(self.why),
            address.as_deref().unwrap_or("-"),
        )?;
        match self.event {
            Some(_) => write!(out, "{:>5}  ", self.score)?,
            None => write!(out, "{:>5}  ", "-")?,
        }
        if let Some(account) = self.account {
            write!(out, "account={account}  ")?;
        }
        if let Some(recipient) = self.recipient {
            write!(out, "recipient={recipient}  ")?;
        }
        writeln!(out, "{}", escaped(line, SHOWN_MAX))
    }

    fn write_plain(&self, out: &mut impl Write) -> io::Result<()> {
        let absent = "-";
        let address = self.address.map(|address| address.to_string());
        writeln!(
            out,
            "{}\t{}\t{}\t{}\t{}\t{:.1}\t{}\t{}\t{}\t{}",
            self.line,
            self.reading,
            self.event.unwrap_or(absent),
            address.as_deref().unwrap_or(absent),
            self.service.unwrap_or(absent),
            self.score,
            self.account.unwrap_or(absent),
            self.recipient.unwrap_or(absent),
            self.at.as_deref().unwrap_or(absent),
            self.file.unwrap_or(absent),
        )
    }
}

fn rfc3339(at: SystemTime) -> Option<String> {
    Timestamp::try_from(at).ok().map(|at| at.to_string())
}
