//! Lines of other programs, by patterns that an operator writes: regexes that match in linear time, with the client's
//! address where the rule in `shape.rs` makes it certain.

mod shape;
mod sole;
mod stamp;

use std::{net::IpAddr, sync::Arc};

use regex::bytes::{Captures, Regex, RegexBuilder};

pub use self::shape::MATCH_MAX;
use self::{
    shape::{Demands, Shape},
    stamp::StampForm,
};
use super::address::literal;
use crate::{
    envelope::Stamp,
    event::{EventKind, Score, Service},
};

/// Most patterns of a set.
pub const PATTERNS_MAX: usize = 256;
/// Most bytes that a compiled pattern takes.
const REGEX_MAX: usize = 256 * 1024;

/// What is said of one kind of line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PatternSettings {
    /// The dialect it belongs to; several patterns may share it.
    pub name: String,
    /// Which lines it is for.
    pub of: LinesOf,
    /// The regex, with the parts named in `shape.rs`.
    pub matches: String,
    /// What a line that matches says.
    pub says: Says,
    /// The protocol that was spoken.
    pub service: Service,
    /// What it weighs, where that is not the weight of its kind.
    pub score: Option<Score>,
    /// The program writes exactly one address into each such line.
    pub sole_address: bool,
}

/// Which lines a pattern is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LinesOf {
    /// Messages of programs with these tags.
    Programs(Vec<String>),
    /// Whole lines of a log file without the header of syslog, with a time in this form.
    Stamp(String),
}

/// What a line that matches says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Says {
    /// Nothing.
    Nothing,
    /// This happened.
    Event(EventKind),
    /// What the word in the part `event` stands for.
    Words(Vec<(String, EventKind)>),
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PatternError {
    /// It is no regex.
    #[error("{0}")]
    Syntax(String),
    /// It is longer than [`MATCH_MAX`].
    #[error("it is longer than {MATCH_MAX} bytes")]
    TooLong,
    /// Compiled, it is too large.
    #[error("it takes more than {REGEX_MAX} bytes when compiled; repeat less")]
    TooLarge,
    /// A part that there is not.
    #[error("unknown part {0:?}; known: address, account, recipient, event, stamp")]
    Part(String),
    /// A part that it needs.
    #[error("it lacks (?<{0}>)")]
    Lacks(&'static str),
    /// Something stands inside of `address` or `stamp`.
    #[error("write (?<{0}>) with nothing in it: what it matches is built in")]
    Filled(&'static str),
    /// `(?<stamp>)` without its form.
    #[error("(?<stamp>) needs \"stamp\", the form of the time")]
    NoStampForm,
    /// The part `event` with one kind, or words without the part.
    #[error("(?<event>) goes with a table of words, and that with it")]
    Event,
    /// Flags that are not allowed.
    #[error("of the flags only (?i) can be set")]
    Flags,
    /// Anchors and word boundaries.
    #[error("leave out ^, $ and \\b: a pattern matches from the beginning to the end")]
    Look,
    /// The address may be left out.
    #[error(
        "(?<address>) must take part in each match: it cannot stand within a repetition, an alternative or another part"
    )]
    Inside,
    /// What stands before the address may be part of one.
    #[error(
        "what stands before (?<address>) must end with text that no address holds, such as a blank or a bracket"
    )]
    TouchesBefore,
    /// What follows the address may be part of one.
    #[error(
        "what follows (?<address>) must begin with text that no address holds, such as a blank or a bracket"
    )]
    TouchesAfter,
    /// The address cannot be certain.
    #[error(
        "a client's text may stand on one side of (?<address>) only, or it could name another's: before it or after it use \
         nothing but literal text and repeated classes without blank, \".\" and \":\"; if the program writes exactly one \
         address into each such line, sole_address = true refuses those with more"
    )]
    Uncertain,
    /// The form of the time.
    #[error("{0}")]
    Stamp(String),
}

/// Patterns, ready to be matched.
#[derive(Debug, Default)]
pub struct PatternSet {
    patterns: Vec<Arc<Pattern>>,
}

#[derive(Debug)]
struct Pattern {
    settings: PatternSettings,
    regex: Regex,
    stamp: Option<StampForm>,
}

/// What a pattern makes of a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found<'t> {
    Event(Told<'t>),
    Nothing,
    Refused,
}

/// An event that a line tells of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told<'t> {
    pub(super) kind: EventKind,
    pub(super) service: Service,
    pub(super) score: Score,
    pub(super) address: IpAddr,
    pub(super) account: Option<&'t [u8]>,
    pub(super) recipient: Option<&'t [u8]>,
    pub(super) stamp: Option<Stamp>,
}

impl PatternSettings {
    /// Whether it is a pattern as `shape.rs` demands.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn check(&self) -> Result<(), PatternError> {
        Pattern::new(self.clone()).map(drop)
    }
}

impl PatternSet {
    /// Compiles patterns.
    ///
    /// # Errors
    ///
    /// With the index of the first that is wrong, and why.
    pub fn new(settings: &[PatternSettings]) -> Result<Self, (usize, PatternError)> {
        let compiled = settings.iter().enumerate().map(|(index, settings)| {
            Pattern::new(settings.clone())
                .map(Arc::new)
                .map_err(|error| (index, error))
        });
        Ok(Self {
            patterns: compiled.collect::<Result<_, _>>()?,
        })
    }

    /// Takes those of `other` in, behind its own.
    pub fn extend(&mut self, other: &Self) {
        self.patterns.extend(other.patterns.iter().cloned());
    }

    /// What they say.
    pub fn settings(&self) -> impl Iterator<Item = &PatternSettings> {
        self.patterns.iter().map(|pattern| &pattern.settings)
    }

    /// The name of the pattern at `index`.
    pub(super) fn name(&self, index: usize) -> &str {
        self.patterns
            .get(index)
            .map_or("", |pattern| pattern.settings.name.as_str())
    }

    /// What the patterns for `program` say of its message; `None` of it where none matches, nothing where there are none.
    pub(super) fn read_message<'t>(
        &self,
        program: &[u8],
        message: &'t [u8],
    ) -> Option<(usize, Option<Found<'t>>)> {
        let of_program = |pattern: &Pattern| match &pattern.settings.of {
            LinesOf::Programs(tags) => tags.iter().any(|tag| tag.as_bytes() == program),
            LinesOf::Stamp(_) => false,
        };
        let first = self
            .patterns
            .iter()
            .position(|pattern| of_program(pattern))?;
        match self.read(message, of_program) {
            Some((index, found)) => Some((index, Some(found))),
            None => Some((first, None)),
        }
    }

    /// What the patterns for whole lines say of one.
    pub(super) fn read_line<'t>(&self, line: &'t [u8]) -> Option<(usize, Found<'t>)> {
        self.read(line, |pattern| pattern.stamp.is_some())
    }

    /// What those of the patterns say that match. Two that name different clients: neither is believed.
    fn read<'t>(
        &self,
        text: &'t [u8],
        is_for: impl Fn(&Pattern) -> bool,
    ) -> Option<(usize, Found<'t>)> {
        let mut first: Option<(usize, Found<'t>)> = None;
        for (index, pattern) in self.patterns.iter().enumerate().filter(|(_, p)| is_for(p)) {
            let Some(found) = pattern.read(text) else {
                continue;
            };
            match (&first, &found) {
                (_, Found::Refused) => return Some((index, found)),
                (None, _) => first = Some((index, found)),
                (Some((_, Found::Event(one))), Found::Event(other))
                    if one.address != other.address =>
                {
                    return Some((index, Found::Refused));
                }
                (Some(_), _) => {}
            }
        }
        first
    }
}

impl PartialEq for PatternSet {
    fn eq(&self, other: &Self) -> bool {
        self.settings().eq(other.settings())
    }
}

impl Eq for PatternSet {}

impl Pattern {
    fn new(settings: PatternSettings) -> Result<Self, PatternError> {
        let stamp = match &settings.of {
            LinesOf::Programs(_) => None,
            LinesOf::Stamp(form) => Some(StampForm::new(form)?),
        };
        let stamp_regex = stamp.as_ref().map(StampForm::regex);
        let shape = Shape::read(
            &settings.matches,
            Demands {
                stamp: stamp_regex.as_deref(),
                address: settings.says != Says::Nothing,
                sole_address: settings.sole_address,
            },
        )?;
        let has_words = matches!(settings.says, Says::Words(_));
        if has_words != shape.parts.contains(&"event") {
            return Err(PatternError::Event);
        }
        let regex = RegexBuilder::new(&format!("\\A(?:{})\\z", shape.regex))
            .unicode(false)
            .size_limit(REGEX_MAX)
            .dfa_size_limit(REGEX_MAX)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
                error => PatternError::Syntax(error.to_string().replace('\n', "; ")),
            })?;
        Ok(Self {
            settings,
            regex,
            stamp,
        })
    }

    /// What it makes of a text; nothing if that does not match.
    fn read<'t>(&self, text: &'t [u8]) -> Option<Found<'t>> {
        let captures = self.regex.captures(text)?;
        let part = |name| captures.name(name).map(|part| part.as_bytes());
        let kind = match &self.settings.says {
            Says::Nothing => return Some(Found::Nothing),
            Says::Event(kind) => *kind,
            Says::Words(words) => {
                let word = part("event")?;
                let known = words.iter().find(|(known, _)| known.as_bytes() == word);
                known.map(|(_, kind)| *kind)?
            }
        };
        match self.address(text, &captures)? {
            None => Some(Found::Refused),
            Some(address) => Some(Found::Event(Told {
                kind,
                service: self.settings.service,
                score: self.settings.score.unwrap_or(kind.score()),
                address,
                account: part("account"),
                recipient: part("recipient"),
                stamp: self
                    .stamp
                    .as_ref()
                    .and_then(|form| form.read(part("stamp")?)),
            })),
        }
    }

    /// The client's address, `Some(None)` if that is not certain.
    fn address(&self, text: &[u8], captures: &Captures<'_>) -> Option<Option<IpAddr>> {
        let part = captures.name("address")?;
        let address = literal(part.as_bytes())?;
        // `2001:db8::1:25` may end with a port or not, `192.0.2.1.5` is no address.
        let is_cut = match text.get(part.end()..).unwrap_or_default() {
            [b':', ..] => part.as_bytes().contains(&b':'),
            [b'.', next, ..] => next.is_ascii_digit(),
            _ => false,
        };
        let is_one_of_two =
            self.settings.sole_address && sole::holds_another(text, part.start(), part.end());
        Some((!is_cut && !is_one_of_two).then_some(address))
    }
}

#[cfg(test)]
mod tests;
