//! Stalwart's mail server, which writes its log files itself.
//!
//! Since 0.9 lines are `STAMP LEVEL DESCRIPTION (EVENT) NAME = VALUE, NAME = VALUE` (`crates/trc`), on which the fields of the
//! connection come first. Up to 0.15 quotes within a value are not escaped, so nothing is believed that follows a value which
//! a client can choose. Later ones leave the address out of the connection's fields where the event has one itself, which is there
//! for sure then: it is believed if it is the only one of a line that is well-formed to its end. Before 0.9 they are `STAMP LEVEL session{FIELDS}: MODULE: TEXT FIELDS`, in which quotes are escaped.

mod kind;
mod span;

use std::net::IpAddr;

use super::{
    Dialect, Interpreter, Line, Reading,
    address::literal,
    name,
    text::{before, find, number, without_blanks},
};
use crate::{
    envelope::{Envelope, own_stamp},
    event::{Event, EventKind, Score, Service},
};

/// Stalwart.
pub(super) const DIALECT: Dialect = Dialect {
    name: "stalwart",
    speaks: |program| {
        matches!(
            program,
            b"stalwart" | b"stalwart-imap" | b"stalwart-jmap" | b"stalwart-mail" | b"stalwart-smtp"
        )
    },
    bare_program: None,
    start: || Box::new(Stalwart),
};

struct Stalwart;

/// Longest description and longest name of an event, or of a field.
const DESCRIPTION_MAX: usize = 128;
const EVENT_MAX: usize = 64;

impl Interpreter for Stalwart {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        // What journald or syslog has from its standard output is stamped already.
        let message = match line.message.first() {
            Some(b'0'..=b'9') => own_stamp(line.message).map_or(line.message, |(_, rest)| rest),
            _ => line.message,
        };
        let Some((level, rest)) = level(message) else {
            return Reading::Unknown;
        };
        match described(rest) {
            Some((id, fields)) => told(line, level, id, fields),
            None => span::read(line, rest),
        }
    }

    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        if !line.first()?.is_ascii_digit() {
            return None;
        }
        let (stamp, message) = own_stamp(line)?;
        let (_, rest) = level(message)?;
        (described(rest).is_some() || span::is_session(rest)).then_some(Envelope {
            stamp: Some(stamp),
            host: b"",
            program: b"stalwart",
            pid: None,
            message,
        })
    }
}

/// The level that `text` begins with (right-aligned of old), and what follows it.
fn level(text: &[u8]) -> Option<(&[u8], &[u8])> {
    const LEVELS: &[&[u8]] = &[b"DEBUG", b"ERROR", b"INFO", b"TRACE", b"WARN"];
    let text = text.strip_prefix(b" ").unwrap_or(text);
    LEVELS
        .iter()
        .find_map(|level| Some((*level, text.strip_prefix(*level)?.strip_prefix(b" ")?)))
}

/// The event of `DESCRIPTION (EVENT) FIELDS`, and the fields. The description is the program's own.
fn described(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = &text[..text.len().min(DESCRIPTION_MAX)];
    let open = find(head, b" (")?;
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b" -_/.,'".contains(byte);
    // `Milter action: Reject`; no other has a colon, but sentences of others do.
    let description = match find(&head[..open], b" action: ") {
        Some(at) => &head[at + b" action: ".len()..open],
        None => &head[..open],
    };
    if description.is_empty() || !description.iter().all(is_word) {
        return None;
    }
    let rest = &text[open + 2..];
    let end = rest.iter().take(EVENT_MAX).position(|&byte| byte == b')')?;
    let id = &rest[..end];
    let is_id =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(byte);
    let is_event = id.iter().all(is_id) && id.iter().filter(|&&byte| byte == b'.').count() == 1;
    let fields = match &rest[end + 1..] {
        [] => b"".as_slice(),
        rest => rest.strip_prefix(b" ")?,
    };
    is_event.then_some((id, fields))
}

/// What a line says about the connection, and about a client's words.
#[derive(Default)]
struct Fields<'a> {
    address: Option<IpAddr>,
    port: Option<u16>,
    listener: &'a [u8],
    account: Option<&'a [u8]>,
    recipient: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(text: &'a [u8]) -> Self {
        let mut fields = Self::default();
        let mut rest = text;
        let mut is_believed = true;
        let mut is_left_out = false;
        let mut late = Vec::new();
        while let Some((key, after)) = key(rest) {
            let is_text = after.first() == Some(&b'"');
            let Some((value, next)) = value(after) else {
                break;
            };
            match key {
                b"remoteIp" if is_believed => {
                    fields.address = fields.address.or_else(|| literal(value));
                }
                b"remoteIp" if late.len() < 2 => late.push(literal(value)),
                b"remotePort" if is_believed => is_left_out = fields.address.is_none(),
                b"localPort" if is_believed => fields.port = number(value),
                b"listenerId" if is_believed => fields.listener = value,
                b"protocol" if is_believed => {}
                b"accountName" => fields.account = fields.account.or(Some(value)),
                b"to" if is_text => fields.recipient = fields.recipient.or(Some(value)),
                _ => {}
            }
            // Numbers, addresses and what the operator named are nobody else's; all other text may be a client's.
            let is_plain = value
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b".:-".contains(byte));
            let is_own = match is_text {
                true => key == b"listenerId",
                false => is_plain,
            };
            is_believed &= is_own;
            rest = next;
        }
        if let (None, true, true, [address]) =
            (fields.address, is_left_out, rest.is_empty(), &late[..])
        {
            fields.address = *address;
        }
        fields
    }

    fn is_web(&self) -> bool {
        self.listener.starts_with(b"http") || matches!(self.port, Some(80 | 443 | 8080 | 8443))
    }

    fn service(&self) -> Service {
        match self.port.map(Service::at_port) {
            // Mail transfer stands for whatever is not known.
            Some(service) if service != Service::Smtp => service,
            _ if self.listener.starts_with(b"imap") => Service::Imap,
            _ if self.listener.starts_with(b"pop") => Service::Pop,
            _ if self.listener.starts_with(b"sieve")
                || self.listener.starts_with(b"managesieve") =>
            {
                Service::Sieve
            }
            _ => Service::Smtp,
        }
    }
}

/// The name of the field that `text` begins with, and what follows ` = `.
fn key(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text
        .iter()
        .take(EVENT_MAX)
        .position(|byte| !byte.is_ascii_alphanumeric())?;
    let rest = text[end..].strip_prefix(b" = ")?;
    (end > 0).then_some((&text[..end], rest))
}

/// The value that `text` begins with, and the next field. A text ends with a quote before `, ` or the end.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(inside) = text.strip_prefix(b"\"") else {
        let value = before(text, b", ");
        return Some((value, text.get(value.len() + 2..).unwrap_or_default()));
    };
    let mut is_escaped = false;
    for (at, &byte) in inside.iter().enumerate() {
        let rest = &inside[at + 1..];
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' if without_blanks(rest).is_empty() => return Some((&inside[..at], b"")),
            b'"' => {
                if let Some(next) = rest.strip_prefix(b", ") {
                    return Some((&inside[..at], next));
                }
            }
            _ => {}
        }
    }
    None
}

fn told(line: &Line<'_>, level: &[u8], id: &[u8], fields: &[u8]) -> Reading {
    let Some((kind, score)) = kind::of_event(id) else {
        return match level {
            b"ERROR" => Reading::Event(line.event(EventKind::ServerFault, Service::Smtp)),
            _ => Reading::Ignored,
        };
    };
    let fields = Fields::read(fields);
    let score = match id {
        // Web servers stand behind proxies, whose address these often name.
        b"security.ip-blocked" | b"security.scan-ban" if fields.is_web() => Score::ZERO,
        _ => score,
    };
    let is_recipient = matches!(
        kind,
        EventKind::UnknownRecipient | EventKind::RelayDenied | EventKind::ClientRejected
    );
    Reading::Event(Event {
        address: fields.address,
        score,
        account: fields.account.and_then(name),
        recipient: fields.recipient.filter(|_| is_recipient).and_then(name),
        ..line.event(kind, fields.service())
    })
}
