//! What was read of a list.

use std::{fmt, time::SystemTime};

use ipnet::IpNet;

use super::ENTRIES_MAX;
use crate::{ban::REASON_MAX, limit::LimitRule, line::escaped};

/// Most remarks of a kind that are kept; more are counted.
const REMARKS_MAX: usize = 1000;
/// Most characters of what a list says that a remark repeats.
const SHOWN_MAX: usize = 64;

/// A ban as a list has it. Times are wall time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Whom.
    pub net: IpNet,
    /// Name of who decided it: of a rule, `manual`, or `list:NAME`; `None` where the list does not say.
    pub origin: Option<String>,
    /// Since when, where the list says so.
    pub since: Option<SystemTime>,
    /// Until when; `None` for until it is removed.
    pub ends: Option<SystemTime>,
    /// Offences that led to it.
    pub offences: u32,
    /// Earlier bans that count towards its length.
    pub level: u8,
    /// Why.
    pub reason: String,
}

impl Entry {
    /// A ban of `net` until it is removed.
    pub fn new(net: IpNet, reason: &str) -> Self {
        Self {
            net,
            origin: None,
            since: None,
            ends: None,
            offences: 0,
            level: 0,
            reason: escaped(reason.trim().as_bytes(), REASON_MAX - 1),
        }
    }
}

/// Whom a list lets through.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Allowed {
    /// Whom.
    pub net: IpNet,
    /// Where it stands.
    pub place: Place,
}

/// What was read of a list.
#[derive(Debug, Default)]
pub struct Imported {
    /// Lines, or elements where there are none.
    pub lines: u64,
    /// The bans, in the order of the list.
    pub bans: Vec<Entry>,
    /// Whom it lets through.
    pub allowed: Vec<Allowed>,
    /// Limits on connections.
    pub limits: Vec<LimitRule>,
    /// Who need not wait for the greeting: if they talk before it, that is nothing.
    pub exempt: Vec<IpNet>,
    /// Entries about something else than addresses and networks, which are left to the mail server.
    pub left_alone: u64,
    /// Bans that were over when they were read.
    pub over: u64,
    /// What is right but no ban.
    pub notes: Remarks,
    /// What is wrong.
    pub mistakes: Remarks,
}

impl Imported {
    /// Takes a ban in; one too many is a mistake.
    pub fn ban(&mut self, entry: Entry, place: impl Into<Place>) {
        if self.bans.len() < ENTRIES_MAX {
            self.bans.push(entry);
        } else {
            self.mistakes.add(
                place,
                format!("more than {ENTRIES_MAX} bans"),
                Some("ban networks in place of addresses".to_owned()),
            );
        }
    }

    /// Takes in a ban that ends at `ends`, unless it is over at `now`.
    pub fn ban_until(
        &mut self,
        entry: Entry,
        ends: Option<SystemTime>,
        now: SystemTime,
        place: impl Into<Place>,
    ) {
        if ends.is_some_and(|ends| ends <= now) {
            self.over += 1;
        } else {
            self.ban(Entry { ends, ..entry }, place);
        }
    }

    /// Takes in what was read of another file, of which everything was told.
    pub fn join(&mut self, other: Self) {
        self.lines += other.lines;
        self.bans.extend(other.bans);
        self.allowed.extend(other.allowed);
        self.limits.extend(other.limits);
        self.exempt.extend(other.exempt);
        self.left_alone += other.left_alone;
        self.over += other.over;
        self.notes.join(other.notes);
        self.mistakes.join(other.mistakes);
    }

    /// Says what is wrong at `place`.
    pub fn mistake(&mut self, place: impl Into<Place>, text: impl Into<String>) {
        self.mistakes.add(place, text, None);
    }

    /// Says what is wrong at `place`, and what to do about it.
    pub fn mistake_with(
        &mut self,
        place: impl Into<Place>,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.mistakes.add(place, text, Some(hint.into()));
    }

    /// Says what is to be known of what stands at `place`.
    pub fn note(&mut self, place: impl Into<Place>, text: impl Into<String>) {
        self.notes.add(place, text, None);
    }
}

/// Where something stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// On this line, from 1.
    Line(u64),
    /// Elsewhere, in words: such as `element 3 of set banned`.
    At(String),
    /// In all of it.
    All,
}

impl From<u64> for Place {
    fn from(line: u64) -> Self {
        Self::Line(line)
    }
}

/// Something to say about a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remark {
    /// Where.
    pub place: Place,
    /// What; one line, no full stop, with nothing of the list that is not escaped.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Line(line) => write!(f, "{line}: ")?,
            Place::At(place) => write!(f, " {place}: ")?,
            Place::All => f.write_str(" ")?,
        }
        f.write_str(&self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Remarks, as many as are worth keeping.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Remarks {
    kept: Vec<Remark>,
    count: u64,
}

impl Remarks {
    /// One more.
    pub fn add(&mut self, place: impl Into<Place>, text: impl Into<String>, hint: Option<String>) {
        self.count += 1;
        if self.kept.len() < REMARKS_MAX {
            self.kept.push(Remark {
                place: place.into(),
                text: text.into(),
                hint,
            });
        }
    }

    fn join(&mut self, other: Self) {
        self.count += other.count;
        let room = REMARKS_MAX.saturating_sub(self.kept.len());
        self.kept.extend(other.kept.into_iter().take(room));
    }

    /// The first of them, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = &Remark> {
        self.kept.iter()
    }

    /// How many there are, kept or not.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Part of a list, to be repeated in a remark.
pub(super) fn shown(text: &[u8]) -> String {
    format!("\"{}\"", escaped(text, SHOWN_MAX))
}
