//! What mail programs say: one file for each, and the one list of them.
//!
//! A dialect turns a line into an [`Event`], if it is certain whom the line is about. The address is taken only from where
//! the program itself writes it; text that a client chose is never searched.

mod address;
mod dovecot;
mod opensmtpd;
mod pam;
mod postfix;
mod sessions;
mod text;

use std::{cell::Cell, time::SystemTime};

use jiff::tz::TimeZone;

use crate::{
    envelope::{self, Dater, Envelope, Stamp},
    event::{Event, EventKind, Score, Service, SessionId},
    line::{LINE_MAX, escaped},
};

pub use self::sessions::SESSIONS_MAX;

/// Every dialect, in the order they are asked whether a program is theirs.
pub const DIALECTS: &[&Dialect] = &[
    &postfix::DIALECT,
    &dovecot::DIALECT,
    &opensmtpd::DIALECT,
    &pam::DIALECT,
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

/// What is known of the line that was read last, for those who ask how it was understood.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recognition {
    /// Form of its envelope.
    pub envelope: Option<&'static str>,
    /// Name of its dialect.
    pub dialect: Option<&'static str>,
}

/// Reads the lines of one log. Lines share their sessions, so they must come in order.
pub struct Reader {
    desk: Desk,
    interpreters: Vec<(&'static Dialect, Box<dyn Interpreter + Send>)>,
    only: bool,
    recognition: Recognition,
}

/// What all interpreters of a reader share.
struct Desk {
    dater: Dater,
    next_session: Cell<u64>,
}

impl Reader {
    /// Reads every dialect. `zone` is that of stamps which name none.
    pub fn new(zone: TimeZone) -> Self {
        Self::of(zone, DIALECTS, false)
    }

    /// Reads every line as of one dialect, whatever its program is called, also without an envelope.
    pub fn only(zone: TimeZone, dialect: &'static Dialect) -> Self {
        Self::of(zone, &[dialect], true)
    }

    fn of(zone: TimeZone, dialects: &[&'static Dialect], only: bool) -> Self {
        let desk = Desk {
            dater: Dater::new(zone),
            next_session: Cell::new(1),
        };
        let started = |dialect: &&'static Dialect| (*dialect, (dialect.start)());
        Self {
            desk,
            interpreters: dialects.iter().map(started).collect(),
            only,
            recognition: Recognition::default(),
        }
    }

    /// What `line` says. Its event is dated by the log; `now` tells the year where the stamp names none, and dates lines
    /// without a stamp. At most [`LINE_MAX`] bytes are looked at.
    pub fn read(&mut self, line: &[u8], now: SystemTime) -> Reading {
        self.recognition = Recognition::default();
        let line = &line[..line.len().min(LINE_MAX)];
        let Some((envelope, form)) = envelope::read(line).or_else(|| self.open(line)) else {
            return self.read_bare(line, now);
        };
        self.recognition.envelope = Some(form);
        // Several programs go by the name of `imapd`: the line is of the first that knows it.
        let mut unknown = Reading::Ignored;
        for (dialect, interpreter) in &mut self.interpreters {
            if !self.only && !(dialect.speaks)(envelope.program) {
                continue;
            }
            let reading = interpreter.read(&Line::new(&envelope, now, &self.desk));
            if self.recognition.dialect.is_none() || reading != Reading::Unknown {
                self.recognition.dialect = Some(dialect.name);
            }
            match reading {
                Reading::Unknown => unknown = reading,
                Reading::Event(event) => {
                    return Reading::Event(Event {
                        told_by: dialect.name,
                        ..event
                    });
                }
                known => return known,
            }
        }
        unknown
    }

    /// Takes a line out of the envelope of a program's own log file, and names the dialect that knows it.
    fn open<'a>(&mut self, line: &'a [u8]) -> Option<(Envelope<'a>, &'static str)> {
        self.interpreters
            .iter_mut()
            .find_map(|(dialect, interpreter)| Some((interpreter.open(line)?, dialect.name)))
    }

    /// What is known of the line that was read last.
    pub fn recognition(&self) -> Recognition {
        self.recognition
    }

    /// A line without an envelope. No program signs for it, so unless the operator says whose it is it may be anybody's
    /// text: it is understood, but weighs nothing.
    fn read_bare(&mut self, message: &[u8], now: SystemTime) -> Reading {
        for (dialect, interpreter) in &mut self.interpreters {
            let Some(program) = dialect.bare_program else {
                continue;
            };
            let envelope = Envelope {
                stamp: None,
                host: b"",
                program,
                pid: None,
                message,
            };
            let reading = interpreter.read(&Line::new(&envelope, now, &self.desk));
            match reading {
                _ if self.only => {}
                Reading::Event(_) => {}
                Reading::Ignored | Reading::Unknown | Reading::Refused => continue,
            }
            self.recognition.dialect = Some(dialect.name);
            return match reading {
                Reading::Event(event) => Reading::Event(Event {
                    score: if self.only { event.score } else { Score::ZERO },
                    told_by: dialect.name,
                    ..event
                }),
                reading => reading,
            };
        }
        Reading::Ignored
    }
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
    stamp: Option<Stamp>,
    now: SystemTime,
    desk: &'a Desk,
}

impl<'a> Line<'a> {
    fn new(envelope: &Envelope<'a>, now: SystemTime, desk: &'a Desk) -> Self {
        Self {
            host: envelope.host,
            program: envelope.program,
            pid: envelope.pid,
            message: envelope.message,
            stamp: envelope.stamp,
            now,
            desk,
        }
    }

    /// The event that it tells of, with the kind's own score and nobody's address.
    pub fn event(&self, kind: EventKind, service: Service) -> Event {
        Event {
            at: self.desk.dater.time(self.stamp, self.now),
            kind,
            address: None,
            service,
            account: None,
            recipient: None,
            recipients: None,
            bytes: None,
            session: None,
            score: kind.score(),
            told_by: "",
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
