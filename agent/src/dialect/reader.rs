//! Reads the lines of a log: takes each out of its envelope, and asks those dialects that speak for its program.

use std::{cell::Cell, sync::Arc, time::SystemTime};

use jiff::tz::TimeZone;

use super::{
    DIALECTS, Desk, Dialect, Interpreter, Line, Reading,
    pattern::{Found, PatternSet},
    speakers::{Speakers, Speaking},
};
use crate::{
    envelope::{self, Dater, Envelope, Inside, Opened, Repeat, Stamp, Wrappings},
    event::{Event, Score},
    line::LINE_MAX,
};

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
    speakers: Speakers,
    patterns: Arc<PatternSet>,
    recognition: Recognition<'static>,
    /// The pattern that recognised the line that was read last, and whether as a whole line.
    recognised_by: Option<(usize, bool)>,
    wrappings: Wrappings,
    is_rewritten: bool,
    /// Whether the line says that the one before it was written again.
    is_repeat: bool,
    /// The last line, if it gave an event: what `last message repeated` is about.
    last: Vec<u8>,
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
            speakers: Speakers::default(),
            patterns: Arc::default(),
            recognition: Recognition::default(),
            recognised_by: None,
            wrappings: Wrappings::default(),
            is_rewritten: false,
            is_repeat: false,
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
        self.is_repeat = false;
        let short = &line[..line.len().min(LINE_MAX)];
        // What is read is large: it is made where the caller wants it, and looked at there.
        let reading = self.read_line(line, short, now);
        if !self.is_repeat {
            self.last.clear();
            if matches!(reading, Reading::Event(_)) && !self.is_rewritten {
                self.last.extend_from_slice(short);
            }
        }
        reading
    }

    fn read_line(&mut self, line: &[u8], short: &[u8], now: SystemTime) -> Reading {
        let Some((envelope, form)) = envelope::read(short) else {
            return match envelope::repeat(short) {
                Some(repeat) => self.read_repeat(&repeat, now),
                None => self.read_wrapped(line, now),
            };
        };
        if form == "tai64n" {
            return self.read_tai64n(&envelope, form, line, now);
        }
        self.read_enveloped(&envelope, form, now)
    }

    fn read_tai64n(
        &mut self,
        envelope: &Envelope<'_>,
        form: &'static str,
        line: &[u8],
        now: SystemTime,
    ) -> Reading {
        match self.read_enveloped(envelope, form, now) {
            // Behind such a stamp there may be a form of a program's own, which looks tagged.
            Reading::Ignored if self.recognition.dialect.is_none() => self.read_wrapped(line, now),
            reading => reading,
        }
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
        let speaking = match self.only {
            true => Speaking::FIRST,
            false => self.speakers.of(line.program),
        };
        let mut reading = match speaking.sole() {
            Some(index) => self.read_by(index, &line, now),
            None => self.read_by_first(speaking, &line, now),
        };
        let is_known = self.recognition.dialect.is_some() && !matches!(reading, Reading::Unknown);
        if !is_known {
            self.read_further(&mut reading, &line, now);
        }
        if times > 1
            && let Reading::Event(event) = &mut reading
        {
            event.score = event.score.times(times);
        }
        reading
    }

    /// What a line says that no dialect knows.
    fn read_further(&mut self, reading: &mut Reading, line: &Envelope<'_>, now: SystemTime) {
        match self.read_message(line, now) {
            Some(found) => *reading = found,
            None if self.recognition.dialect.is_none() => {
                self.recognition.lost = envelope::lost(line.program, line.message);
            }
            None => {}
        }
    }

    /// Several programs go by the name of `imapd`: the line is of the first that knows it.
    fn read_by_first(
        &mut self,
        speaking: Speaking,
        line: &Envelope<'_>,
        now: SystemTime,
    ) -> Reading {
        let mut unknown = Reading::Ignored;
        for index in speaking.indices() {
            match self.read_by(index, line, now) {
                Reading::Unknown => unknown = Reading::Unknown,
                known => return known,
            }
        }
        unknown
    }

    /// What the dialect of that index reads in a line.
    fn read_by(&mut self, index: usize, line: &Envelope<'_>, now: SystemTime) -> Reading {
        let (dialect, interpreter) = &mut self.interpreters[index];
        let reading = interpreter.read(&Line::new(line, dialect.name, now, &self.desk));
        if self.recognition.dialect.is_none() || !matches!(reading, Reading::Unknown) {
            self.recognition.dialect = Some(dialect.name);
        }
        reading
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
        let line = Line::new(envelope, "", now, &self.desk);
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
        Some(Line::new(&envelope, "", now, &self.desk).found(found))
    }

    /// A line that says that the one before it was written again: read again, it says the same again.
    fn read_repeat(&mut self, repeat: &Repeat<'_>, now: SystemTime) -> Reading {
        self.is_repeat = true;
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
            let line = Line::new(&envelope, dialect.name, now, &self.desk);
            let reading = interpreter.read(&line);
            match reading {
                _ if self.only => {}
                Reading::Event(_) => {}
                Reading::Ignored | Reading::Unknown | Reading::Refused => continue,
            }
            self.recognition.dialect = Some(dialect.name);
            return match reading {
                Reading::Event(event) => Reading::Event(Event {
                    score: if self.only { event.score } else { Score::ZERO },
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
