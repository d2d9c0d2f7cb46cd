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
mod reason;
mod reply;
mod rspamd;
mod sendmail;
mod sessions;
mod solid_pop3d;
mod spamassassin;
mod stalwart;
mod text;
mod uw_imap;

use std::{cell::Cell, sync::Arc, time::SystemTime};

use jiff::tz::TimeZone;

use crate::{
    envelope::{self, Dater, Envelope, Inside, Opened, Repeat, Stamp, Wrappings},
    event::{Event, EventKind, Score, Service, SessionId},
    line::{LINE_MAX, escaped},
};

use self::pattern::{Found, PatternSet};
pub use self::sessions::SESSIONS_MAX;

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

/// What is known of the line that was read last, for those who ask how it was understood.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recognition<'a> {
    /// Form of its envelope.
    pub envelope: Option<&'a str>,
    /// Name of its dialect, or of its pattern.
    pub dialect: Option<&'a str>,
    /// Whether it is not by the program that it names, so that it was refused.
    pub is_forged: bool,
    /// How many lines the logger says there that it lost.
    pub lost: u64,
}

/// Reads the lines of one log. Lines share their sessions, so they must come in order.
pub struct Reader {
    desk: Desk,
    interpreters: Vec<(&'static Dialect, Box<dyn Interpreter + Send>)>,
    only: bool,
    patterns: Arc<PatternSet>,
    recognition: Recognition<'static>,
    /// The pattern that recognised the line that was read last, and whether as a whole line.
    recognised_by: Option<(usize, bool)>,
    wrappings: Wrappings,
    is_rewritten: bool,
    /// The last line, if it gave an event: what `last message repeated` is about.
    last: Vec<u8>,
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
            patterns: Arc::default(),
            recognition: Recognition::default(),
            recognised_by: None,
            wrappings: Wrappings::default(),
            is_rewritten: false,
            last: Vec::new(),
        }
    }

    /// The same, which believes what these units of systemd wrote to journald as it does those of known mail services.
    pub fn believing(self, units: &[String]) -> Self {
        Self {
            wrappings: Wrappings::believing(units),
            ..self
        }
    }

    /// Reads lines that no dialect knows by `patterns`.
    #[must_use]
    pub fn with_patterns(mut self, patterns: Arc<PatternSet>) -> Self {
        self.set_patterns(patterns);
        self
    }

    /// Reads lines that no dialect knows by `patterns` from here on.
    pub fn set_patterns(&mut self, patterns: Arc<PatternSet>) {
        self.patterns = patterns;
        self.recognised_by = None;
    }

    /// What `line` says. Its event is dated by the log; `now` tells the year where the stamp names none, and dates lines
    /// without a stamp. At most [`LINE_MAX`] bytes are looked at, of a record [`RECORD_MAX`](crate::line::RECORD_MAX).
    pub fn read(&mut self, line: &[u8], now: SystemTime) -> Reading {
        self.recognition = Recognition::default();
        self.recognised_by = None;
        self.is_rewritten = false;
        let short = &line[..line.len().min(LINE_MAX)];
        let reading = match envelope::read(short) {
            Some((envelope, form)) => match self.read_enveloped(&envelope, form, now) {
                // Behind such a stamp there may be a form of a program's own, which looks tagged.
                Reading::Ignored if form == "tai64n" && self.recognition.dialect.is_none() => {
                    self.read_wrapped(line, now)
                }
                reading => reading,
            },
            None => match envelope::repeat(short) {
                Some(repeat) => return self.read_repeat(&repeat, now),
                None => self.read_wrapped(line, now),
            },
        };
        self.last.clear();
        if matches!(reading, Reading::Event(_)) && !self.is_rewritten {
            self.last.extend_from_slice(short);
        }
        reading
    }

    /// The line that was read last as people are shown it: without the record around it.
    pub fn text<'a>(&'a self, line: &'a [u8]) -> &'a [u8] {
        match self.is_rewritten {
            true => self.wrappings.text(),
            false => line,
        }
    }

    fn read_enveloped(
        &mut self,
        envelope: &Envelope<'_>,
        form: &'static str,
        now: SystemTime,
    ) -> Reading {
        self.recognition.envelope = Some(form);
        let (message, times) = envelope::repeated(envelope.message);
        let line = Envelope {
            message,
            ..*envelope
        };
        // Several programs go by the name of `imapd`: the line is of the first that knows it.
        let mut unknown = Reading::Ignored;
        for (dialect, interpreter) in &mut self.interpreters {
            if !self.only && !(dialect.speaks)(line.program) {
                continue;
            }
            let reading = interpreter.read(&Line::new(&line, now, &self.desk));
            if self.recognition.dialect.is_none() || reading != Reading::Unknown {
                self.recognition.dialect = Some(dialect.name);
            }
            match reading {
                Reading::Unknown => unknown = reading,
                Reading::Event(event) => {
                    let event = Event {
                        told_by: dialect.name,
                        ..event
                    };
                    return weighed(Reading::Event(event), times);
                }
                known => return known,
            }
        }
        match self.read_message(&line, now) {
            Some(reading) => return weighed(reading, times),
            None if self.recognition.dialect.is_none() => {
                self.recognition.lost = envelope::lost(line.program, message);
            }
            None => {}
        }
        unknown
    }

    /// A message of a program that has patterns.
    fn read_message(&mut self, envelope: &Envelope<'_>, now: SystemTime) -> Option<Reading> {
        if self.only {
            return None;
        }
        let (index, found) = self
            .patterns
            .read_message(envelope.program, envelope.message)?;
        self.recognised_by = Some((index, false));
        let line = Line::new(envelope, now, &self.desk);
        Some(found.map_or(Reading::Unknown, |found| line.found(found)))
    }

    /// A line of a log file that has patterns.
    fn read_whole(
        &mut self,
        line: &[u8],
        stamp: Option<Stamp>,
        now: SystemTime,
    ) -> Option<Reading> {
        if self.only {
            return None;
        }
        let (index, found) = self.patterns.read_line(line)?;
        self.recognised_by = Some((index, true));
        let stamp = stamp.or(match &found {
            Found::Event(told) => told.stamp,
            Found::Nothing | Found::Refused => None,
        });
        let envelope = Envelope {
            stamp,
            host: b"",
            program: b"",
            pid: None,
            message: line,
        };
        Some(Line::new(&envelope, now, &self.desk).found(found))
    }

    /// A line that says that the one before it was written again: read again, it says the same again.
    fn read_repeat(&mut self, repeat: &Repeat<'_>, now: SystemTime) -> Reading {
        let last = std::mem::take(&mut self.last);
        let reading = match envelope::read(&last) {
            Some((envelope, form)) if envelope.host == repeat.host => {
                let again = Envelope {
                    stamp: Some(repeat.stamp),
                    ..envelope
                };
                weighed(self.read_enveloped(&again, form, now), repeat.times)
            }
            // Whose line it was is not certain.
            Some(_) | None => Reading::Ignored,
        };
        self.last = last;
        reading
    }

    fn read_wrapped(&mut self, line: &[u8], now: SystemTime) -> Reading {
        let mut wrappings = std::mem::take(&mut self.wrappings);
        let reading = match wrappings.open(line) {
            Opened::Bare => {
                let line = &line[..line.len().min(LINE_MAX)];
                self.read_plain(line, None, now)
            }
            Opened::Nothing => Reading::Ignored,
            Opened::Inside(inside) => self.read_inside(&inside, line, now),
        };
        self.wrappings = wrappings;
        reading
    }

    fn read_inside(&mut self, inside: &Inside<'_>, line: &[u8], now: SystemTime) -> Reading {
        self.is_rewritten = !line.ends_with(inside.text) || line.first() == Some(&b'{');
        let text = &inside.text[..inside.text.len().min(LINE_MAX)];
        let reading = match envelope::read(text) {
            Some((envelope, _)) if !inside.is_believed => {
                let is_read = |dialect: &Dialect| (dialect.speaks)(envelope.program);
                let claimed = self
                    .interpreters
                    .iter()
                    .find(|(dialect, _)| is_read(dialect));
                self.recognition.dialect = claimed.map(|(dialect, _)| dialect.name);
                self.recognition.is_forged = claimed.is_some();
                match claimed {
                    Some(_) => Reading::Refused,
                    None => Reading::Ignored,
                }
            }
            Some((envelope, form)) => {
                // A container's own stamps are of its own time zone, which nobody knows here.
                let stamp = inside.stamp.or(envelope.stamp);
                self.read_enveloped(&Envelope { stamp, ..envelope }, form, now)
            }
            None if !inside.is_believed => Reading::Ignored,
            None => self.read_plain(text, inside.stamp, now),
        };
        self.recognition.envelope = Some(inside.form);
        reading
    }

    /// A line that is in no form of syslog.
    fn read_plain(&mut self, line: &[u8], stamp: Option<Stamp>, now: SystemTime) -> Reading {
        self.read_own(line, stamp, now)
            .or_else(|| self.read_whole(line, stamp, now))
            .unwrap_or_else(|| self.read_bare(line, stamp, now))
    }

    /// A line in the form of a program's own log file.
    fn read_own(&mut self, line: &[u8], stamp: Option<Stamp>, now: SystemTime) -> Option<Reading> {
        let opened = self
            .interpreters
            .iter_mut()
            .find_map(|(dialect, interpreter)| Some((interpreter.open(line)?, dialect.name)));
        let (envelope, name) = opened?;
        let stamp = stamp.or(envelope.stamp);
        Some(self.read_enveloped(&Envelope { stamp, ..envelope }, name, now))
    }

    /// What is known of the line that was read last.
    pub fn recognition(&self) -> Recognition<'_> {
        let Some((index, is_whole)) = self.recognised_by else {
            return self.recognition;
        };
        let name = Some(self.patterns.name(index));
        Recognition {
            envelope: if is_whole {
                name
            } else {
                self.recognition.envelope
            },
            dialect: name,
            ..self.recognition
        }
    }

    /// A line without an envelope. No program signs for it, so unless the operator says whose it is it may be anybody's
    /// text: it is understood, but weighs nothing.
    fn read_bare(&mut self, message: &[u8], stamp: Option<Stamp>, now: SystemTime) -> Reading {
        for (dialect, interpreter) in &mut self.interpreters {
            let Some(program) = dialect.bare_program else {
                continue;
            };
            let envelope = Envelope {
                stamp,
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

/// What a line says that stands for several.
fn weighed(reading: Reading, times: i16) -> Reading {
    match reading {
        Reading::Event(event) if times > 1 => Reading::Event(Event {
            score: event.score.times(times),
            ..event
        }),
        reading => reading,
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
