//! What mail programs say: one file for each, and the one list of them.
//!
//! A dialect turns a line into an [`Event`], if it is certain whom the line is about. The address is taken only from where
//! the program itself writes it; text that a client chose is never searched.

mod address;
mod assp;
mod courier;
mod cyrus;
mod dates;
mod domino;
mod dovecot;
mod exchange;
mod exim;
mod haraka;
mod helo;
mod iis;
mod imail;
mod kerio;
mod opensmtpd;
mod oracle;
mod pam;
pub mod pattern;
mod perdition;
mod plain;
mod postfix;
mod qmail;
mod reader;
mod reason;
mod reply;
mod rspamd;
mod sendmail;
mod sessions;
mod solid_pop3d;
mod spamassassin;
mod speakers;
mod stalwart;
mod text;
mod uw_imap;

use std::{cell::Cell, time::SystemTime};

use crate::{
    envelope::{Dater, Envelope, Stamp},
    event::{Event, EventKind, Service, SessionId},
    line::escaped,
};

pub(crate) use self::helo::says_helo;
use self::pattern::Found;
pub use self::{
    reader::{Reader, Recognition},
    sessions::SESSIONS_MAX,
};

/// Every dialect, in the order they are asked whether a program is theirs.
pub const DIALECTS: &[&Dialect] = &[
    &postfix::DIALECT,
    // Before Domino and Dovecot, whose `imap` says nothing; theirs does.
    &courier::DIALECT,
    &cyrus::DIALECT,
    &uw_imap::DIALECT,
    // Before Exim, whose own lines begin with such stamps too.
    &domino::DIALECT,
    &imail::DIALECT,
    &exchange::DIALECT,
    &iis::DIALECT,
    &exim::DIALECT,
    &sendmail::DIALECT,
    &dovecot::DIALECT,
    &opensmtpd::DIALECT,
    &haraka::DIALECT,
    &stalwart::DIALECT,
    &pam::DIALECT,
    &qmail::DIALECT,
    &solid_pop3d::DIALECT,
    &perdition::DIALECT,
    &rspamd::DIALECT,
    &spamassassin::DIALECT,
    &assp::DIALECT,
    &kerio::DIALECT,
    &oracle::DIALECT,
];

/// Most bytes kept of an account or a recipient: the longest address that RFC 5321 allows.
pub const NAME_MAX: usize = 320;

/// How one mail program logs.
pub struct Dialect {
    /// Its name, in configs and on the command line.
    pub name: &'static str,
    /// Whether lines with this tag are its.
    pub speaks: fn(program: &[u8]) -> bool,
    /// The tag that a line without an envelope is read with, if its lines are plain enough to be known without one.
    pub bare_program: Option<&'static [u8]>,
    /// Begins to read, with no sessions.
    pub start: fn() -> Box<dyn Interpreter + Send>,
}

/// Reads the lines of one mail program, one after another.
pub trait Interpreter {
    /// What `line` says.
    fn read(&mut self, line: &Line<'_>) -> Reading;

    /// Takes a line out of the envelope that the program writes itself, in a log file of its own. Only for forms that no
    /// other program's lines have; asked when the line is in no form of syslog.
    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        let _ = line;
        None
    }
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Something happened.
    Event(Event),
    /// Nothing that matters, or it is of a program that is not read.
    Ignored,
    /// It is of a program that is read, but of no known shape.
    Unknown,
    /// It names two candidates for the client's address.
    Refused,
}

/// What all interpreters of a reader share.
struct Desk {
    dater: Dater,
    next_session: Cell<u64>,
}

/// A line of a mail program, for its dialect.
pub struct Line<'a> {
    /// The host that wrote it; empty if not known.
    pub host: &'a [u8],
    /// The tag.
    pub program: &'a [u8],
    /// The process.
    pub pid: Option<u32>,
    /// What the program said.
    pub message: &'a [u8],
    /// Name of the dialect that reads it.
    read_by: &'static str,
    stamp: Option<Stamp>,
    now: SystemTime,
    desk: &'a Desk,
}

impl<'a> Line<'a> {
    fn new(
        envelope: &Envelope<'a>,
        read_by: &'static str,
        now: SystemTime,
        desk: &'a Desk,
    ) -> Self {
        Self {
            host: envelope.host,
            program: envelope.program,
            pid: envelope.pid,
            message: envelope.message,
            read_by,
            stamp: envelope.stamp,
            now,
            desk,
        }
    }

    /// When it was written.
    pub fn at(&self) -> SystemTime {
        self.desk.dater.time(self.stamp, self.now)
    }

    /// The event that it tells of, with the kind's own score and nobody's address.
    #[inline(always)]
    pub fn event(&self, kind: EventKind, service: Service) -> Event {
        self.event_at(self.at(), kind, service)
    }

    /// The same, where it is known already when that was.
    #[inline(always)]
    fn event_at(&self, at: SystemTime, kind: EventKind, service: Service) -> Event {
        Event::new(at, kind, service, self.read_by)
    }

    /// What a pattern found in it.
    fn found(&self, found: Found<'_>) -> Reading {
        match found {
            Found::Event(told) => Reading::Event(Event {
                address: Some(told.address),
                account: told.account.and_then(name),
                recipient: told.recipient.and_then(name),
                score: told.score,
                ..self.event(told.kind, told.service)
            }),
            Found::Nothing => Reading::Ignored,
            Found::Refused => Reading::Refused,
        }
    }

    /// The id of a session that begins with it.
    pub fn new_session(&self) -> SessionId {
        let id = self.desk.next_session.get();
        self.desk.next_session.set(id + 1);
        SessionId(id)
    }
}

/// An account or a recipient as it is kept: escaped, at most [`NAME_MAX`] bytes of it.
fn name(text: &[u8]) -> Option<Box<str>> {
    (!text.is_empty()).then(|| escaped(text, NAME_MAX).into())
}

#[cfg(test)]
mod tests;
