//! What stands around a whole line of a log: a container's prefix, a record of journald.
//!
//! Each is recognised by its first bytes. Long lines of a container are written in pieces, and what a piece begins with may be
//! anybody's text: only the first one is read.

use std::borrow::Cow;

use serde::{
    Deserialize,
    de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    dated, journal,
    stamp::Stamp,
    tag::{self, word},
    tai,
};
use crate::line::RECORD_MAX;

/// Longest name of a container before its ` | `.
const NAME_MAX: usize = 128;

/// Takes lines out of their wrappings, one log's one after another.
#[derive(Debug, Default)]
pub struct Wrappings {
    /// The text of the last line that had to be written anew.
    text: Vec<u8>,
    /// Whether the next line of stdout, of stderr is the rest of one before.
    is_broken: [bool; 2],
    /// Units whose records are believed beside those of known mail services.
    units: Vec<Box<str>>,
}

/// A line without its wrapping.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opened<'a> {
    /// It has none.
    Bare,
    /// It has, but no text that can be read: the rest of a line, or a record without a message.
    Nothing,
    /// What was inside.
    Inside(Inside<'a>),
}

/// What was inside a wrapping.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Inside<'a> {
    /// Name of the wrapping.
    pub form: &'static str,
    /// The line.
    pub text: &'a [u8],
    /// When it was written, if the wrapping says so.
    pub stamp: Option<Stamp>,
    /// Whether the line may be by the program that it names. Any user can write to journald under any name.
    pub is_believed: bool,
}

impl Wrappings {
    /// Believes records of these units too.
    pub fn believing(units: &[String]) -> Self {
        Self {
            units: units.iter().map(|unit| unit.as_str().into()).collect(),
            ..Self::default()
        }
    }

    /// The text of the line that was taken out last, where it stands nowhere in the line itself.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Takes `line` out of its wrapping.
    pub fn open<'a>(&'a mut self, line: &'a [u8]) -> Opened<'a> {
        self.text.clear();
        match line.first() {
            Some(b'{') => self.open_record(&line[..line.len().min(RECORD_MAX)]),
            Some(b'@') => match tai::stamp(line) {
                Some((stamp, text)) => inside("tai64n", text, Some(stamp)),
                None => Opened::Bare,
            },
            _ => self
                .open_cri(line)
                .or_else(|| open_compose(line))
                .unwrap_or(Opened::Bare),
        }
    }

    /// `2016-10-06T00:17:09.669794202Z stdout F TEXT` (Kubernetes, podman); `P` for a piece that is not the last.
    fn open_cri<'a>(&mut self, line: &'a [u8]) -> Option<Opened<'a>> {
        let (stamp, rest) = dated::stamp(line)?;
        let (stream, rest) = word(rest.strip_prefix(b" ")?)?;
        let stream = stream_of(stream)?;
        let (tags, text) = match rest.iter().position(|&byte| byte == b' ') {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, b"".as_slice()),
        };
        let is_last = match tags.split(|&byte| byte == b':').next() {
            Some(b"F") => true,
            Some(b"P") => false,
            _ => return None,
        };
        Some(match self.is_first_piece(stream, is_last) {
            true => inside("cri", text, Some(stamp)),
            false => Opened::Nothing,
        })
    }

    /// A record of Docker's json-file or of `journalctl -o json`.
    fn open_record<'a>(&'a mut self, line: &'a [u8]) -> Opened<'a> {
        let Ok(record) = serde_json::from_slice::<Record<'_>>(line) else {
            if line.starts_with(b"{\"log\":\"") {
                // Too long to be read, so nobody knows what its piece ended with.
                self.is_broken = [true, true];
                return Opened::Nothing;
            }
            return Opened::Bare;
        };
        match record {
            Record {
                log: Some(log),
                stream: Some(stream),
                time: Some(time),
                ..
            } => self.open_docker(&log, &stream, &time),
            Record {
                journal: Some(record),
                ..
            } => self.open_journal(&record),
            _ => Opened::Bare,
        }
    }

    /// `{"log":"TEXT\n","stream":"stdout","time":"2026-11-21T17:26:38.123456789Z"}`; no line end in a piece that is not the last.
    fn open_docker(&mut self, log: &Text<'_>, stream: &Text<'_>, time: &Text<'_>) -> Opened<'_> {
        let (Some(log), Some(stream), Some(time)) = (log.bytes(), stream.bytes(), time.bytes())
        else {
            return Opened::Bare;
        };
        let (Some(stream), Some((stamp, b""))) = (stream_of(stream), dated::stamp(time)) else {
            return Opened::Bare;
        };
        let text = log.strip_suffix(b"\n");
        if !self.is_first_piece(stream, text.is_some()) {
            return Opened::Nothing;
        }
        let text = text.unwrap_or(log);
        self.text
            .extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        inside("docker", &self.text, Some(stamp))
    }

    fn open_journal(&mut self, record: &journal::Fields<'_>) -> Opened<'_> {
        let is_believed = record.is_believed(&self.units);
        let Some(stamp) = record.write_line(&mut self.text) else {
            return Opened::Nothing;
        };
        Opened::Inside(Inside {
            form: "journald",
            text: &self.text,
            stamp: Some(stamp),
            is_believed,
        })
    }

    /// Whether a piece is the first of its line.
    fn is_first_piece(&mut self, stream: usize, is_last: bool) -> bool {
        let is_rest = std::mem::replace(&mut self.is_broken[stream], !is_last);
        !is_rest
    }
}

/// `mail-1  | TEXT`, as `docker compose logs` writes it.
fn open_compose(line: &[u8]) -> Option<Opened<'_>> {
    let head = &line[..line.len().min(NAME_MAX)];
    let end = head.iter().position(|&byte| byte == b' ')?;
    let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let (name, rest) = head.split_at(end);
    let blanks = rest.iter().take_while(|&&byte| byte == b' ').count();
    let is_one = !name.is_empty()
        && name.iter().all(is_name_byte)
        && matches!(rest.get(blanks..), Some([b'|', b' ', ..]));
    is_one.then(|| inside("compose", &line[end + blanks + 2..], None))
}

const fn inside<'a>(form: &'static str, text: &'a [u8], stamp: Option<Stamp>) -> Opened<'a> {
    Opened::Inside(Inside {
        form,
        text,
        stamp,
        is_believed: true,
    })
}

fn stream_of(name: &[u8]) -> Option<usize> {
    match name {
        b"stdout" => Some(0),
        b"stderr" => Some(1),
        _ => None,
    }
}

/// The fields of a record that say whose it is.
#[derive(Default)]
struct Record<'a> {
    log: Option<Text<'a>>,
    stream: Option<Text<'a>>,
    time: Option<Text<'a>>,
    journal: Option<journal::Fields<'a>>,
}

/// A value: text, or bytes where it is not UTF-8.
#[derive(Debug)]
pub(super) enum Text<'a> {
    Utf8(Cow<'a, str>),
    Bytes(Vec<u8>),
    /// `null`, where it was too long; several values; anything else.
    Other,
}

impl Text<'_> {
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Utf8(text) => Some(text.as_bytes()),
            Self::Bytes(bytes) => Some(bytes),
            Self::Other => None,
        }
    }

    pub(super) fn number(&self) -> Option<u32> {
        self.bytes().and_then(tag::number)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Record<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record<'de>, A::Error> {
        let mut record = Record::default();
        while let Some(Name(name)) = map.next_key()? {
            let place = match &*name {
                "log" => &mut record.log,
                "stream" => &mut record.stream,
                "time" => &mut record.time,
                name => match record.journal.get_or_insert_default().place(name) {
                    Some(place) => place,
                    None => {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                },
            };
            // A name that is there twice says nothing for certain.
            let value = map.next_value()?;
            *place = Some(match place {
                None => value,
                Some(_) => Text::Other,
            });
        }
        Ok(record)
    }
}

struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|text| match text {
            Text::Utf8(name) => Self(name),
            Text::Bytes(_) | Text::Other => Self(Cow::Borrowed("")),
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text::Utf8(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text::Utf8(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Text<'de>, A::Error> {
        let mut bytes = Vec::new();
        let mut are_bytes = true;
        while let Some(Byte(byte)) = items.next_element()? {
            match byte {
                Some(byte) => bytes.push(byte),
                None => are_bytes = false,
            }
        }
        Ok(match are_bytes {
            true => Text::Bytes(bytes),
            false => Text::Other,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text<'de>, E> {
        Ok(Text::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text<'de>, E> {
        Ok(Text::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text<'de>, E> {
        Ok(Text::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text<'de>, E> {
        Ok(Text::Other)
    }

    fn visit_unit<E>(self) -> Result<Text<'de>, E> {
        Ok(Text::Other)
    }
}

/// An element of a list, if it is a byte.
struct Byte(Option<u8>);

impl<'de> Deserialize<'de> for Byte {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteVisitor).map(Self)
    }
}

struct ByteVisitor;

impl<'de> Visitor<'de> for ByteVisitor {
    type Value = Option<u8>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a byte")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Option<u8>, E> {
        Ok(u8::try_from(value).ok())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<u8>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<u8>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<u8>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<u8>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<u8>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<u8>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<u8>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
