//! A line of Haraka's log: `[LEVEL] [UUID] [PLUGIN] TEXT` or `level=LEVEL uuid=UUID source=PLUGIN message=TEXT FIELDS`.

use std::net::IpAddr;

use super::super::{
    address::literal,
    text::{before, without_blanks},
};

/// A line, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) level: &'a [u8],
    pub(super) uuid: &'a [u8],
    /// The plugin.
    pub(super) source: &'a [u8],
    /// What it says; in logfmt without its fields.
    pub(super) text: &'a [u8],
    /// The fields that follow the text in logfmt.
    fields: Option<Fields<'a>>,
}

/// `NAME=VALUE NAME="VALUE"`. In a quoted value, quotes are escaped by `\` (not so in 2.x, where only words without blanks
/// are quoted before the last fields).
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

const LEVELS: &[&[u8]] = &[
    b"ALERT",
    b"CRIT",
    b"DATA",
    b"DEBUG",
    b"EMERG",
    b"ERROR",
    b"INFO",
    b"NOTICE",
    b"PROTOCOL",
    b"WARN",
];

/// Longest name of a plugin.
const SOURCE_MAX: usize = 64;
/// Digits and hyphens of a UUID.
const UUID_LEN: usize = 36;

pub(super) fn read(line: &[u8]) -> Option<Record<'_>> {
    let record = match line.first()? {
        b'[' => plain(line),
        b'l' => logfmt(line),
        _ => None,
    }?;
    let is_uuid = record.uuid == b"-" || is_uuid(record.uuid);
    (is_uuid && LEVELS.contains(&record.level)).then_some(record)
}

fn plain(line: &[u8]) -> Option<Record<'_>> {
    let (level, rest) = bracketed(line)?;
    let (uuid, rest) = bracketed(rest.strip_prefix(b" ")?)?;
    let (source, rest) = bracketed(rest.strip_prefix(b" ")?)?;
    Some(Record {
        level,
        uuid,
        source,
        text: rest.strip_prefix(b" ").unwrap_or(rest),
        fields: None,
    })
}

fn logfmt(line: &[u8]) -> Option<Record<'_>> {
    let mut fields = Fields(line);
    let mut next = |names: &[&[u8]]| {
        let (name, value) = fields.next()?;
        names.contains(&name).then_some(value)
    };
    let level = next(&[b"level"])?;
    let uuid = next(&[b"uuid"])?;
    let source = next(&[b"source", b"origin"])?;
    let text = next(&[b"message"])?;
    Some(Record {
        level,
        uuid,
        source,
        text,
        fields: Some(fields),
    })
}

fn bracketed(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"[")?;
    let end = inside
        .iter()
        .take(SOURCE_MAX)
        .position(|&byte| byte == b']')?;
    Some((&inside[..end], &inside[end + 1..]))
}

/// `8-4-4-4-12` hexadecimal digits, and for a transaction `.NUMBER`.
fn is_uuid(text: &[u8]) -> bool {
    let Some((uuid, rest)) = text.split_at_checked(UUID_LEN) else {
        return false;
    };
    let is_place = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    uuid.iter().enumerate().all(is_place)
        && match rest {
            [] => true,
            [b'.', digits @ ..] => {
                !digits.is_empty() && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.'))
            }
            _ => false,
        }
}

impl<'a> Record<'a> {
    /// The UUID of the connection that it is about, without its transaction's number.
    pub(super) fn connection(&self) -> Option<&'a [u8]> {
        self.uuid.get(..UUID_LEN)
    }

    /// The fields, if the text is `word`.
    pub(super) fn fields_after(&self, word: &[u8]) -> Option<Fields<'a>> {
        match self.fields {
            Some(fields) => (self.text == word).then_some(fields),
            None => {
                let rest = self.text.strip_prefix(word)?.strip_prefix(b" ")?;
                Some(Fields(rest))
            }
        }
    }

    /// The fields of a logfmt line, else those in `rest` of the text.
    pub(super) fn fields_or(&self, rest: &'a [u8]) -> Fields<'a> {
        self.fields.unwrap_or(Fields(without_blanks(rest)))
    }

    /// The fields that say what a plugin answered to a hook.
    pub(super) fn hook(&self) -> Option<Fields<'a>> {
        let fields = self.fields_or(self.text);
        let (name, _) = { fields }.next()?;
        (name == b"hook").then_some(fields)
    }
}

impl<'a> Fields<'a> {
    /// The client's address: the first field, before anything that a client can choose.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match { *self }.next()? {
            (b"ip", value) => literal(value),
            _ => None,
        }
    }

    /// The value of the first field with `name`.
    pub(super) fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        { *self }.find_map(|(key, value)| (key == name).then_some(value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let text = without_blanks(self.0);
        let end = text
            .iter()
            .take(SOURCE_MAX)
            .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')?;
        let (name, rest) = text.split_at(end);
        let rest = rest.strip_prefix(b"=").filter(|_| !name.is_empty())?;
        let value;
        (value, self.0) = match rest.strip_prefix(b"\"") {
            Some(rest) => {
                let end = end_of_quoted(rest)?;
                (&rest[..end], &rest[end + 1..])
            }
            None => {
                let value = before(rest, b" ");
                (value, &rest[value.len()..])
            }
        };
        Some((name, value))
    }
}

/// Where the quote is that closes a value.
fn end_of_quoted(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' if matches!(text.get(at + 1), None | Some(b' ')) => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Fields, read};

    #[test]
    fn fields_are_taken_in_order() {
        let fields = Fields(br#"ip=192.0.2.1 rdns="" helo="a\" ip=\"b" lr="x y" time=1"#);
        let expected: &[(&[u8], &[u8])] = &[
            (b"ip", b"192.0.2.1"),
            (b"rdns", b""),
            (b"helo", br#"a\" ip=\"b"#),
            (b"lr", b"x y"),
            (b"time", b"1"),
        ];
        assert_eq!(fields.collect::<Vec<_>>(), expected);
        assert_eq!(Fields(b"a=\"b").next(), None);
        assert_eq!(Fields(b"=b").next(), None);
        assert_eq!(Fields(b"a b=c").next(), None);
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "[NOTICE]",
            "[NOTICE] [-]",
            "[LOUD] [-] [core] x",
            "[NOTICE] [1234] [core] x",
            "[NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB.] [core] x",
            "[NOTICE] [DE16EFE7+A0AE-4CE6-92D6-D5D4783353BB] [core] x",
            "level=NOTICE uuid=- message=x",
        ] {
            assert!(read(line.as_bytes()).is_none(), "{line}");
        }
        assert!(read(b"[NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB.12] [core] x").is_some());
    }
}
